/*
 * The pid in libvirt's file may be that of another process by now: QEMU ended, and the number was
 * given away. So the process is held first and identified second: what a pidfd stands for does not
 * change, and its command line says which guest it runs.
 */
#include "init/guest/qemu.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>

/** read_file() - The beginning of a small file. Return: its length or -errno. */
static ssize_t read_file(const char *path, char *buffer, size_t size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);

	if (n < 0)
		return -errno;
	buffer[n] = '\0';
	return n;
}

/**
 * runs() - Does process @pid run the guest @name? libvirt begins the arguments with "-name
 * guest=NAME,".
 */
static bool runs(pid_t pid, const char *name)
{
	char path[64], wanted[NAME_MAX + 16], line[4096];
	size_t length, used;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	length = (size_t)snprintf(wanted, sizeof(wanted), "guest=%s", name);
	n = read_file(path, line, sizeof(line));
	for (used = 0; n > 0 && used < (size_t)n; used += strlen(line + used) + 1) {
		const char *argument = line + used;

		if (strncmp(argument, wanted, length) == 0 &&
		    (argument[length] == ',' || !argument[length]))
			return true;
	}
	return false;
}

int qemu_find(const char *directory, const char *name, struct qemu *ret_qemu)
{
	char path[PATH_MAX], text[32];
	struct qemu qemu = QEMU_NONE;
	long number;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s.pid", directory, name);
	n = read_file(path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	number = strtol(text, NULL, 10);
	if (number <= 1 || number > INT_MAX)
		return -ESRCH;
	qemu.pid = (pid_t)number;
	/* Without the system call (old kernels, narrow seccomp filters) PID 1's word has to do. */
	qemu.fd = (int)syscall(SYS_pidfd_open, qemu.pid, 0);
	if (qemu.fd < 0 && errno == ESRCH)
		return -ESRCH;
	if (!runs(qemu.pid, name)) {
		qemu_clear(&qemu);
		return -ESRCH;
	}
	*ret_qemu = qemu;
	return 0;
}

int qemu_signal(const struct qemu *qemu, int signal)
{
	int result;

	if (qemu->pid <= 1)
		return -ESRCH;
	result = qemu->fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, qemu->fd, signal, NULL, 0) :
				 kill(qemu->pid, signal);
	return result ? -errno : 0;
}

void qemu_clear(struct qemu *qemu)
{
	if (qemu->fd >= 0)
		close(qemu->fd);
	*qemu = QEMU_NONE;
}
