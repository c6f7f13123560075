/* Both ends of a connection in one process, each in a network namespace of its own. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** check() - End with @what and errno if a call returned less than 0. */
static inline void check(const char *what, ssize_t r)
{
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

/** enter() - Sockets that are made from now on belong to the namespace whose file is @path. */
static inline void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(path, fd);
	check(path, setns(fd, CLONE_NEWNET));
	close(fd);
}

static inline struct sockaddr_in name(const char *address, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = inet_addr(address),
				     .sin_port = htons((uint16_t)port) };
}

static inline int listen_at(int port)
{
	struct sockaddr_in any = name("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	check("socket", fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	check("bind", bind(fd, (struct sockaddr *)&any, sizeof(any)));
	check("listen", listen(fd, 16));
	return fd;
}
