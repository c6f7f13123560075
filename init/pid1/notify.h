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

/** notify_open() - Make a service's socket; an older one is replaced. Return: a descriptor, or
 * -errno. */
int notify_open(const char *service);

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

/** outside_send() - Send fields; nobody listening is no error. */
void outside_send(const struct outside *outside, const char *text);
