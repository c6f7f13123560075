#include "init/pid1/notify.h"

#include "lib/log.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define NOTIFY_DIRECTORY RUN_DIRECTORY "/notify"

/* More than any honest child passes; what is beyond is closed by the kernel. */
#define NOTIFY_MAX_FDS 16

void notify_path(const char *service, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/%s.sock", NOTIFY_DIRECTORY, service);
}

/* As in Linux' include/uapi/asm-generic/socket.h; Debian 12's headers are older. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void refuse_descriptors(int fd)
{
	const int off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0)
		log_debug("descriptors cannot be refused: %s", strerror(errno));
}

int notify_open(const char *service, uid_t uid)
{
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int on = 1;

	if (fd < 0)
		return -errno;
	if (mkdir(NOTIFY_DIRECTORY, 0711) < 0 && errno != EEXIST)
		return -errno;
	notify_path(service, address.sun_path, sizeof(address.sun_path));
	if (unlink(address.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/*
	 * Nobody else: what comes with a message, PID 1 has to close, even if it is not from the
	 * service's process.
	 */
	if (chmod(address.sun_path, 0600) < 0)
		return -errno;
	if (uid) {
		if (chown(address.sun_path, uid, (gid_t)-1) < 0)
			return -errno;
		refuse_descriptors(fd);
	}
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Whatever comes is ours from here on: @passed is the first descriptor, the others are closed. */
static void take_controls(struct msghdr *message, pid_t *ret_pid, int *passed)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
	     control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level != SOL_SOCKET)
			continue;
		if (control->cmsg_type == SCM_CREDENTIALS) {
			struct ucred credentials;

			memcpy(&credentials, CMSG_DATA(control), sizeof(credentials));
			*ret_pid = credentials.pid;
		} else if (control->cmsg_type == SCM_RIGHTS) {
			size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < n; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
				if (*passed < 0)
					*passed = fd;
				else
					close(fd);
			}
		}
	}
}

int notify_receive(int fd, char buffer[static NOTIFY_MAX], pid_t *ret_pid, int *ret_passed)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(NOTIFY_MAX_FDS * sizeof(int))];
	} control;
	struct iovec data = { .iov_base = buffer, .iov_len = NOTIFY_MAX - 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	autoclose int passed = -1;

	*ret_passed = -1;
	if (n < 0)
		return errno == EINTR ? 0 : -EAGAIN;
	*ret_pid = 0;
	take_controls(&message, ret_pid, &passed);
	buffer[n] = '\0';
	if (message.msg_flags & MSG_TRUNC || *ret_pid <= 0)
		return 0;
	*ret_passed = take_fd(&passed);
	return 1;
}

void outside_open(struct outside *outside)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;

	*outside = (struct outside){ .fd = -1, .address.sun_family = AF_UNIX };
	if (length && length < sizeof(outside->address.sun_path) &&
	    (*path == '/' || *path == '@')) {
		memcpy(outside->address.sun_path, path, length);
		if (*path == '@')
			outside->address.sun_path[0] = '\0';
		outside->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
		outside->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

bool outside_send(const struct outside *outside, const char *text)
{
	return outside->fd < 0 ||
	       sendto(outside->fd, text, strlen(text), MSG_NOSIGNAL,
		      (const struct sockaddr *)&outside->address, outside->length) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM);
}
