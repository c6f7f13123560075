/* The victim's words to PID 1 (sd_notify(3), made by hand so that they can be wrong), and what it
 * shows of itself. */
#include "victim.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

void send_message(struct msghdr *message)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path || fd < 0)
		fail("NOTIFY_SOCKET");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	message->msg_name = &address;
	message->msg_namelen = sizeof(address);
	if (sendmsg(fd, message, MSG_NOSIGNAL) < 0)
		fail(path);
	close(fd);
}

static void send_bytes(char *bytes, size_t length)
{
	struct iovec data = { .iov_base = bytes, .iov_len = length };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	send_message(&message);
}

/* notify TEXT: `|` stands for a line break. */
void do_notify(char **arguments)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", arguments[0]);
	for (char *at = text; *at; at++) {
		if (*at == '|')
			*at = '\n';
	}
	send_bytes(text, strlen(text));
}

void do_ready(char **arguments)
{
	char text[] = "READY=1";

	(void)arguments;
	send_bytes(text, strlen(text));
}

/* notify-size BYTES: READY=1 and then so much that the whole has that many bytes. */
void do_notify_size(char **arguments)
{
	size_t length = (size_t)number(arguments[0]);
	char *bytes = malloc(length + 16);

	if (!bytes)
		fail("malloc");
	memset(bytes, 'x', length);
	memcpy(bytes, "READY=1\nSTATUS=", 15);
	send_bytes(bytes, length);
	free(bytes);
}

/* notify-fds NUMBER: READY=1 with that many descriptors attached. */
void do_notify_fds(char **arguments)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	size_t n = (size_t)number(arguments[0]);
	char text[] = "READY=1";
	struct iovec data = { .iov_base = text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	int fds[253] = { 0 };

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	send_message(&message);
}

/* As `notify`, but it is a child who says it. */
void do_notify_from_child(char **arguments)
{
	pid_t child = fork();

	if (child == 0) {
		do_notify(arguments);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* feed MS TIMES: the watchdog. */
void do_feed(char **arguments)
{
	char text[] = "WATCHDOG=1";

	for (int i = 0; i < number(arguments[1]); i++) {
		send_bytes(text, strlen(text));
		sleep_ms(number(arguments[0]));
	}
}

/* babble: for ever, datagrams with many fields, as many at once as the kernel takes; STATUS counts
 * them. */
void do_babble(char **arguments)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int size = 1 << 24;
	char bytes[2048];

	(void)arguments;
	if (!path || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		fail("NOTIFY_SOCKET");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = "A=\n"[i % 3];
	for (unsigned i = 0;; i++) {
		bytes[snprintf(bytes, sizeof(bytes), "STATUS=%010u", i)] = '\n';
		if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
			fail("send");
	}
}

static void show_status_lines(const char *prefixes)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[512], name[32];

	if (!file)
		fail("/proc/self/status");
	while (fgets(line, sizeof(line), file)) {
		snprintf(name, sizeof(name), " %.*s ", (int)strcspn(line, ":"), line);
		line[strcspn(line, "\n")] = '\0';
		if (strstr(prefixes, name))
			say("%s", line);
	}
	fclose(file);
}

static void show_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	char path[64], target[256];

	if (!directory)
		fail("/proc/self/fd");
	while ((entry = readdir(directory))) {
		ssize_t n;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%.16s", entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		say("fd %s %s", entry->d_name, target);
	}
	closedir(directory);
}

static void show_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256] = "";

	if (!file || !fgets(line, sizeof(line), file))
		fail(path);
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	say("%s %s", path, line);
}

/* show WHAT: signals, fds, ids, place, limits, or $NAME. */
void do_show(char **arguments)
{
	const char *what = arguments[0];
	struct rlimit limit;
	char path[256];

	if (strcmp(what, "signals") == 0) {
		show_status_lines(" SigBlk SigIgn SigCgt SigPnd ShdPnd ");
	} else if (strcmp(what, "fds") == 0) {
		show_fds();
	} else if (strcmp(what, "ids") == 0) {
		show_status_lines(" Uid Gid Groups ");
	} else if (strcmp(what, "place") == 0) {
		say("directory %s", getcwd(path, sizeof(path)) ? path : "?");
		say("parent %d group %d session %d self %d", (int)getppid(), (int)getpgrp(),
		    (int)getsid(0), (int)getpid());
	} else if (strcmp(what, "limits") == 0) {
		getrlimit(RLIMIT_NOFILE, &limit);
		say("nofile %llu %llu", (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
		show_file("/proc/self/oom_score_adj");
		getrlimit(RLIMIT_CORE, &limit);
		say("core %llu %llu", (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
		getrlimit(RLIMIT_MEMLOCK, &limit);
		say("memlock %llu %llu", (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
	} else if (what[0] == '$') {
		say("%s=%s", what + 1, getenv(what + 1) ? getenv(what + 1) : "(unset)");
	} else {
		fail(what);
	}
	say("shown");
}
