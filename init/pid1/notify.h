/*
 * sd_notify(3) datagrams: received from children, one socket each, and sent to whoever started the
 * container.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* The longest datagram that is read; a longer one is not a message of this protocol. */
#define NOTIFY_MAX 8192

/** notify_path() - Where the socket of a service is. */
void notify_path(const char *service, char *buffer, size_t size);

/**
 * refuse_descriptors() - Let nobody pass descriptors through a socket, nor through what it accepts.
 *
 * The last close of one can block (a TCP socket that lingers, a file on a file system that hangs),
 * and what comes with a message is closed by its receiver whether it looks at it or not. Needs
 * Linux 6.16 (SO_PASSRIGHTS, socket(7)); an older kernel goes on passing them.
 */
void refuse_descriptors(int fd);

/**
 * notify_open() - Make a service's socket; an older one is replaced.
 * @uid: the service's user, who alone may send. Only root may pass descriptors, see
 * refuse_descriptors().
 *
 * Return: a descriptor, or -errno.
 */
int notify_open(const char *service, uid_t uid);

/**
 * notify_receive() - Take one datagram.
 * @buffer: NOTIFY_MAX bytes; what arrives is ended with a zero byte
 * @ret_pid: who sent it, as the kernel says
 * @ret_passed: the first descriptor that came along with a message, for the caller to close; -1:
 * none
 *
 * All other descriptors are closed.
 *
 * Return: 1; 0 when there was something that is no message; -EAGAIN when nothing is there.
 */
int notify_receive(int fd, char buffer[static NOTIFY_MAX], pid_t *ret_pid, int *ret_passed);

/* The way out: $NOTIFY_SOCKET as it was when PID 1 started. */
struct outside {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t length;
};

/** outside_open() - Take $NOTIFY_SOCKET out of the environment, so that children do not speak for
 * us. */
void outside_open(struct outside *outside);

/** outside_send() - Send fields. Return: false if there is no room for them now; nobody listening
 * is no error. */
bool outside_send(const struct outside *outside, const char *text);
