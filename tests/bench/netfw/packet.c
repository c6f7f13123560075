/*
 * What a connection that is there costs: `packet SERVER PORT CLIENT ADDRESS SIZE COUNT` listens on
 * PORT in the network namespace whose file is SERVER, connects from that of CLIENT to ADDRESS and
 * the same port, and sends COUNT times SIZE bytes there and back by TCP. Two lines: nanoseconds for
 * SIZE bytes to the server, and for as many back; sending and receiving together.
 *
 * One process has both ends, as in connect.c, so packets arrive while they are sent. What counts is
 * the processor's time of this thread: others who take the processor are not in it.
 */
#include "tests/bench/netfw/ends.h"

#include <netinet/tcp.h>
#include <time.h>

/* Before the measurement: caches are warm, and TCP no longer acknowledges each byte at once. */
#define WARM_UP 200

/* What fits into the window that a connection begins with: nobody has to wait for the other. */
#define LARGEST 32768

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/** connect_both() - The two ends of a connection. */
static void connect_both(char *argv[], int *ret_client, int *ret_server)
{
	struct sockaddr_in there = name(argv[4], atoi(argv[2]));
	struct timeval patience = { .tv_sec = 5 };
	int listener, yes = 1;

	enter(argv[1]);
	listener = listen_at(atoi(argv[2]));
	enter(argv[3]);
	*ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check("socket", *ret_client);
	setsockopt(*ret_client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	check("connect", connect(*ret_client, (struct sockaddr *)&there, sizeof(there)));
	*ret_server = accept(listener, NULL, NULL);
	check("accept", *ret_server);
	for (int i = 0; i < 2; i++) {
		int fd = i ? *ret_client : *ret_server;

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
}

/** pass() - Send @size bytes and receive them. Return: how long it took. */
static double pass(int from, int to, size_t size)
{
	static char bytes[LARGEST];
	double begin = now_ns();

	check("send", send(from, bytes, size, 0));
	check("recv", recv(to, bytes, size, MSG_WAITALL));
	return now_ns() - begin;
}

int main(int argc, char *argv[])
{
	int client, server, size, count;
	double there = 0, back = 0;

	if (argc != 7 || atoi(argv[5]) < 1 || atoi(argv[5]) > LARGEST) {
		fprintf(stderr, "usage: packet SERVER PORT CLIENT ADDRESS SIZE COUNT\n");
		return 64;
	}
	size = atoi(argv[5]);
	count = atoi(argv[6]);
	connect_both(argv, &client, &server);
	for (int i = -WARM_UP; i < count; i++) {
		double in = pass(client, server, (size_t)size);
		double out = pass(server, client, (size_t)size);

		there += i < 0 ? 0 : in;
		back += i < 0 ? 0 : out;
	}
	printf("%.1f\n%.1f\n", there / count, back / count);
	return 0;
}
