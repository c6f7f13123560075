/* The RDP probe against servers of the test's own on loopback, in libvirt's real event loop. */
#include "init/guest/probe.h"
#include "init/guest/timer.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <sys/socket.h>

static const uint8_t confirm[] = { 0x03, 0, 0, 0x13, 0x0e, 0xd0, 0, 0, 0x12, 0x34, 0, 0x02, 0, 0x08, 0, 0x02, 0, 0, 0 };

struct heard {
	bool done;
	enum probe_result result;
	uint64_t latency;
};

static int listener;
static struct sockaddr_in address;
static struct heard heard;
static struct probe probe;
static bool connect_only;

static int set_up(void **state)
{
	socklen_t length = sizeof(address);

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	heard = (struct heard){ .done = false };
	connect_only = false;
	return bind(listener, (const struct sockaddr *)&address, length) || listen(listener, 4) ||
	       getsockname(listener, (struct sockaddr *)&address, &length);
}

static int tear_down(void **state)
{
	(void)state;
	probe_abort(&probe);
	return listener < 0 ? 0 : close(listener);
}

static void on_probe(void *context, enum probe_result result, int64_t started, uint64_t latency)
{
	(void)context;
	(void)started;
	assert_false(heard.done);
	heard = (struct heard){ true, result, latency };
}

static void on_timer(void *context)
{
	probe_expire(&probe, now_ms());
	(void)context;
}

/* Run the loop until the probe is idle again. */
static void run(unsigned connect_timeout, unsigned timeout)
{
	struct timer timer;

	assert_int_equal(timer_init(&timer, on_timer, NULL), 0);
	probe_init(&probe, address.sin_addr, ntohs(address.sin_port), "lo", on_probe, NULL);
	probe.connect_only = connect_only;
	probe_begin(&probe, connect_timeout, timeout, now_ms());
	while (probe.phase != PROBE_IDLE) {
		timer_set(&timer, probe_deadline(&probe));
		virEventRunDefaultImpl();
	}
	timer_clear(&timer);
	assert_true(heard.done);
	assert_int_equal(probe.fd, -1);
	assert_int_equal(probe.watch, -1);
}

/* One connection: take the request, send @n bytes one after the other, see whether the client closed in order. */
struct server {
	const uint8_t *bytes;
	size_t n;
	bool hold; /* keep the connection until the client closes it */
	uint8_t request[64];
	ssize_t request_size;
	ssize_t after; /* of the last read: 0 is an orderly end */
};

static void *serve(void *opaque)
{
	struct server *server = opaque;
	int fd = accept(listener, NULL, NULL);
	char rest[64];

	server->request_size = recv(fd, server->request, sizeof(server->request), 0);
	for (size_t i = 0; i < server->n; i++) {
		struct timespec pause = { .tv_nsec = 2000000 };

		(void)!send(fd, server->bytes + i, 1, MSG_NOSIGNAL);
		nanosleep(&pause, NULL);
	}
	if (server->hold)
		server->after = recv(fd, rest, sizeof(rest), 0);
	close(fd);
	return NULL;
}

static void with_server(struct server *server, unsigned timeout)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
	run(1000, timeout);
	pthread_join(thread, NULL);
}

static void an_answer_in_pieces(void **state)
{
	struct server server = { .bytes = confirm, .n = sizeof(confirm), .hold = true, .after = -1 };
	uint8_t request[RDP_REQUEST_SIZE];

	(void)state;
	with_server(&server, 20000);
	assert_int_equal(heard.result, PROBE_ANSWERED);
	assert_in_range(heard.latency, sizeof(confirm) * 2000 / 2, 10000000);
	rdp_request(request);
	assert_int_equal(server.request_size, sizeof(request));
	assert_memory_equal(server.request, request, sizeof(request));
	assert_int_equal(server.after, 0); /* a FIN, not a reset */
}

static void another_server(void **state)
{
	static const uint8_t banner[] = "SSH-2.0-OpenSSH_9.2\r\n";
	struct server server = { .bytes = banner, .n = 8, .hold = true };

	(void)state;
	with_server(&server, 20000);
	assert_int_equal(heard.result, PROBE_OPEN);
	assert_in_range(heard.latency, 0, 10000000); /* by its first byte, not at the end of its time */
}

static void a_server_that_hangs_up(void **state)
{
	struct server server = { .bytes = confirm, .n = 10 };

	(void)state;
	with_server(&server, 20000);
	assert_int_equal(heard.result, PROBE_OPEN);
}

static void a_silent_server(void **state)
{
	struct server server = { .n = 0, .hold = true };

	(void)state;
	with_server(&server, 150);
	assert_int_equal(heard.result, PROBE_OPEN);
	assert_in_range(heard.latency, 100000, 10000000); /* not before its time was over */
}

/* Without a word: what listens there may not be one for questions. */
static void an_accepted_connection(void **state)
{
	struct server server = { .n = 0, .hold = true, .after = -1 };
	pthread_t thread;

	(void)state;
	connect_only = true;
	assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
	run(1000, 1000);
	pthread_join(thread, NULL);
	assert_int_equal(heard.result, PROBE_ANSWERED);
	assert_int_equal(server.request_size, 0); /* it was closed at once, and in order */
}

/* A server that speaks first and does not let go: it is not waited for. */
static void an_accepted_connection_that_is_held(void **state)
{
	int64_t before = now_ms();

	(void)state;
	connect_only = true;
	run(1000, 60000);
	assert_int_equal(heard.result, PROBE_ANSWERED);
	assert_in_range(now_ms() - before, 0, 20000);
}

static void a_refused_connection(void **state)
{
	(void)state;
	connect_only = true;
	close(listener);
	listener = -1;
	run(1000, 1000);
	assert_int_equal(heard.result, PROBE_REFUSED);
}

static void nobody_listens(void **state)
{
	(void)state;
	close(listener);
	listener = -1;
	run(1000, 1000);
	assert_int_equal(heard.result, PROBE_REFUSED);
}

/* TEST-NET-1 behind the loopback interface: the SYN gets no answer. */
static void nobody_is_there(void **state)
{
	int64_t before = now_ms();

	(void)state;
	address.sin_addr.s_addr = htonl(0xc0000201);
	run(200, 60000);
	assert_int_equal(heard.result, PROBE_SILENT);
	assert_in_range(now_ms() - before, 0, 20000);
}

static void no_such_interface(void **state)
{
	(void)state;
	probe_init(&probe, address.sin_addr, ntohs(address.sin_port), "no-such-if", on_probe, NULL);
	probe_begin(&probe, 1000, 1000, now_ms());
	assert_true(heard.done);
	assert_int_equal(heard.result, PROBE_SILENT);
	assert_int_equal(probe.phase, PROBE_IDLE);
}

static void an_aborted_probe_says_nothing(void **state)
{
	(void)state;
	probe_init(&probe, address.sin_addr, ntohs(address.sin_port), "lo", on_probe, NULL);
	probe_begin(&probe, 1000, 1000, now_ms());
	assert_true(probe_busy(&probe));
	probe_abort(&probe);
	assert_false(probe_busy(&probe));
	assert_true(probe_deadline(&probe) == INT64_MAX);
	assert_false(heard.done);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_in_pieces), TEST(another_server),    TEST(a_server_that_hangs_up), TEST(a_silent_server),
		TEST(an_accepted_connection), TEST(an_accepted_connection_that_is_held), TEST(a_refused_connection),
		TEST(nobody_listens),	   TEST(nobody_is_there),   TEST(no_such_interface),      TEST(an_aborted_probe_says_nothing),
	};

	if (virEventRegisterDefaultImpl())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
