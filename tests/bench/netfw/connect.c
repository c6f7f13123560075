/*
 * How long connect() takes: `connect SERVER PORT CLIENT ADDRESS FIRST LAST COUNT` listens on PORT
 * in the network namespace whose file is SERVER, and connects COUNT times from that of CLIENT to
 * ADDRESS, to the ports FIRST to LAST in turn. One sample a line, in microseconds.
 *
 * One process has both ends: a socket stays in the namespace in which it was made. So nobody has to
 * be woken, and what is measured is the way of the handshake's packets through the kernel.
 * Connections end with a reset, so that none lingers.
 */
#include "tests/bench/netfw/ends.h"

#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/** connect_once() - Return: how long it took. */
static double connect_once(const struct sockaddr_in *peer, int listener)
{
	struct linger reset = { .l_onoff = 1 };
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), other;
	double begin, end;

	check("socket", fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	begin = now();
	check("connect", connect(fd, (const struct sockaddr *)peer, sizeof(*peer)));
	end = now();
	other = accept(listener, NULL, NULL);
	check("accept", other);
	close(fd);
	close(other);
	return end - begin;
}

int main(int argc, char *argv[])
{
	int first, last, count, listener;

	if (argc != 8) {
		fprintf(stderr, "usage: connect SERVER PORT CLIENT ADDRESS FIRST LAST COUNT\n");
		return 64;
	}
	first = atoi(argv[5]);
	last = atoi(argv[6]);
	count = atoi(argv[7]);
	enter(argv[1]);
	listener = listen_at(atoi(argv[2]));
	enter(argv[3]);
	for (int i = 0; i < count; i++) {
		struct sockaddr_in peer = name(argv[4], first + i % (last - first + 1));

		printf("%.1f\n", connect_once(&peer, listener));
	}
	return 0;
}
