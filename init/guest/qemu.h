/* QEMU's process: nobody's child but PID 1's, so it is held by a pidfd. */
#pragma once

#include <sys/types.h>

struct qemu {
	pid_t pid; /* 0: not known */
	int fd;    /* pidfd, readable once the process has ended; -1: none */
};

#define QEMU_NONE ((struct qemu){ .pid = 0, .fd = -1 })

/**
 * qemu_find() - Find the process of the domain @name.
 * @directory: where libvirt keeps pid files, QEMU_RUN_DIRECTORY
 * @ret_qemu: filled on success, to be freed with qemu_clear()
 *
 * Return: 0, -ESRCH if there is no such process, or -errno.
 */
int qemu_find(const char *directory, const char *name, struct qemu *ret_qemu);

#define QEMU_RUN_DIRECTORY "/run/libvirt/qemu"

/** qemu_signal() - Send a signal to it and to nobody else. Return: 0 or -errno. */
int qemu_signal(const struct qemu *qemu, int signal);

void qemu_clear(struct qemu *qemu);
