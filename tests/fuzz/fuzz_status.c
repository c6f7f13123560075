/*
 * What a client of the status socket says, in pieces: a byte below 0x20 that is no line's end
 * stands for "and now PID 1 looks". It is answered once and let go, or it watches.
 */
#include "fuzz.h"

#include "init/pid1/loop.h"
#include "lib/util.h"
#include "tests/unit/fake_effects.h"
#include "tests/unit/json_reader.h"

#include <sys/epoll.h>
#include <sys/socket.h>

static char guest_name[] = "windows";
static struct server server;
static struct supervisor supervisor;

/* A client as server_accept() makes one. */
static int connect_client(int epoll_fd)
{
	int fds[2];

	PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	PROMISE(loop_add(epoll_fd, fds[0], EPOLLIN, SOURCE_CLIENT, 0) == 0);
	server.clients[0] = (struct client){ .fd = fds[0], .deadline = SERVER_PATIENCE_MS };
	server.n_clients = server.highest = 1;
	server.max_clients = SERVER_MAX_CLIENTS;
	server.epoll_fd = epoll_fd;
	return fds[1];
}

static bool is_connected(void)
{
	return server.highest == 1 && server.clients[0].fd >= 0;
}

static void look(void)
{
	if (is_connected())
		server_serve(&server, 0, &supervisor, 0, 0);
}

static void check_answer(int fd, bool must_end)
{
	static char answer[REPORT_MAX * 2];
	size_t length = 0;
	ssize_t n;

	while ((n = recv(fd, answer + length, sizeof(answer) - length, MSG_DONTWAIT)) > 0)
		length += (size_t)n;
	PROMISE(length > 0 && answer[length - 1] == '\n');
	PROMISE(!must_end || n == 0 || server.n_clients == 0);
	if (answer[0] == '{')
		PROMISE(json_is_valid(answer,
				      (size_t)((char *)memchr(answer, '\n', length) - answer)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config = { .guest.name = guest_name };
	autoclose int epoll_fd = epoll_create1(EPOLL_CLOEXEC), fd = -1;
	struct fake fake;
	bool watches;

	fake_init(&fake);
	supervisor_init(&supervisor, &config, &fake.effects, 0);
	fd = connect_client(epoll_fd);
	for (size_t i = 0; i < size; i++) {
		if (data[i] < 0x20 && data[i] != '\n' && data[i] != '\r')
			look();
		else if (send(fd, data + i, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	}
	look();
	look();
	watches = is_connected() && server.clients[0].watching;
	/* Patience ends: whoever does not watch has an answer by now. */
	server_step(&server, &supervisor, SERVER_PATIENCE_MS);
	PROMISE(watches == is_connected());
	PROMISE(watches || server.n_clients == 0);
	check_answer(fd, !watches);
	if (is_connected())
		close(server.clients[0].fd);
	return 0;
}
