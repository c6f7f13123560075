/* The status socket with real clients and a fake clock: verbs, patience, watchers who do not read,
 * limits. */
#include "init/pid1/server.h"

#include "init/pid1/loop.h"
#include "json_reader.h"
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

struct server_fixture {
	struct fixture *base;
	struct server server;
	int epoll_fd;
	char directory[32];
	char path[48];
	char text[REPORT_MAX * 4];
};

/* Not by a limit of descriptors: valgrind takes the client before it looks at the limit. */
static int accept_error;

int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	errno = accept_error;
	return accept_error ? -1 : __real_accept4(fd, address, length, flags);
}

/* Whoever asks in these tests is this user. */
static uid_t peer;

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	(void)fd;
	assert_true(level == SOL_SOCKET && name == SO_PEERCRED && *length == sizeof(struct ucred));
	*(struct ucred *)value = (struct ucred){ .pid = 1, .uid = peer };
	return 0;
}

static char guest_name[] = "windows";

static int enter_server(void **state)
{
	struct server_fixture *f = calloc(1, sizeof(*f));
	void *base;

	assert_non_null(f);
	enter(&base);
	f->base = base;
	f->base->config.guest.name = guest_name;
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	strcpy(f->directory, "/tmp/casement-test.XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
	assert_int_equal(server_open(&f->server, f->path, f->epoll_fd), 0);
	alarm(60);
	*state = f;
	return 0;
}

static int leave_server(void **state)
{
	struct server_fixture *f = *state;
	void *base = f->base;

	alarm(0);
	for (size_t i = 0; i < f->server.highest; i++) {
		if (f->server.clients[i].fd >= 0)
			close(f->server.clients[i].fd);
	}
	close(f->server.fd);
	close(f->epoll_fd);
	unlink(f->path);
	assert_int_equal(rmdir(f->directory), 0);
	leave(&base);
	free(f);
	return 0;
}

/* As loop.c does it, without waiting. Return: the number of events, 0 when it would sleep. */
static int turn(struct server_fixture *f)
{
	struct epoll_event events[64];
	int n;

	server_step(&f->server, &f->base->supervisor, f->base->now);
	n = epoll_wait(f->epoll_fd, events, ARRAY_SIZE(events), 0);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 >> 32 == SOURCE_SERVER)
			server_accept(&f->server, f->base->now);
		else
			server_serve(&f->server, events[i].data.u64 & UINT32_MAX,
				     &f->base->supervisor, 3, f->base->now);
	}
	return n;
}

/** settle() - Until nothing happens any more; that it comes to an end is part of every test. */
static void settle(struct server_fixture *f)
{
	unsigned turns = 0;

	while (turn(f))
		assert_true(++turns < 10000);
}

static int connect_client(struct server_fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int say(struct server_fixture *f, const char *text)
{
	int fd = connect_client(f);

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	settle(f);
	return fd;
}

/** hear() - What has arrived. @ret_end: whether the server has closed. */
static const char *hear(struct server_fixture *f, int fd, bool *ret_end)
{
	size_t length = 0;
	ssize_t n;

	while ((n = recv(fd, f->text + length, sizeof(f->text) - 1 - length, MSG_DONTWAIT)) > 0)
		length += (size_t)n;
	f->text[length] = '\0';
	*ret_end = n == 0 || errno == ECONNRESET;
	return f->text;
}

/** answered() - The server has answered and closed; close the client's side as well. */
static const char *answered(struct server_fixture *f, int fd)
{
	bool end;

	hear(f, fd, &end);
	assert_true(end);
	close(fd);
	return f->text;
}

static void is_status(const char *text)
{
	size_t length = strlen(text);

	assert_true(length > 2 && text[length - 1] == '\n');
	assert_true(json_is_valid(text, length - 1));
	assert_int_equal(strncmp(text, "{\"version\":", 11), 0);
}

static void silent(struct server_fixture *f, int fd)
{
	bool end;

	assert_string_equal(hear(f, fd, &end), "");
	assert_false(end);
}

static void test_mode(void **state)
{
	struct server_fixture *f = *state;
	struct stat status;

	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	/* A stale one is replaced. */
	close(f->server.fd);
	assert_int_equal(server_open(&f->server, f->path, f->epoll_fd), 0);
	assert_string_equal(answered(f, say(f, "health\n")), "ok\n");
	close(f->server.fd);
	assert_int_equal(server_open(&f->server, "/no/such/directory/socket", f->epoll_fd),
			 -ENOENT);
	assert_int_equal(server_open(&f->server, f->path, f->epoll_fd), 0);
}

/* No descriptor is left for a client: the loop sleeps meanwhile, and takes the client when it can.
 */
static void test_no_descriptors(void **state)
{
	struct server_fixture *f = *state;
	int fd = connect_client(f);

	accept_error = EMFILE;
	settle(f);
	accept_error = 0;
	assert_int_equal(f->server.n_clients, 0);
	assert_int_equal(server_next_deadline(&f->server), f->base->now + SERVER_ACCEPT_PAUSE_MS);
	assert_int_equal(turn(f), 0);
	f->base->now += SERVER_ACCEPT_PAUSE_MS;
	assert_true(turn(f) > 0);
	assert_int_equal(f->server.n_clients, 1);
	assert_int_equal(send(fd, "health\n", 7, MSG_NOSIGNAL), 7);
	settle(f);
	assert_string_equal(answered(f, fd), "ok\n");
}

static void test_verbs(void **state)
{
	struct server_fixture *f = *state;

	is_status(answered(f, say(f, "status\n")));
	is_status(answered(f, say(f, "\n")));
	is_status(answered(f, say(f, "status\r\n")));
	assert_string_equal(answered(f, say(f, "health\n")), "ok\n");
	assert_string_equal(answered(f, say(f, "ready\n")), "wait starting\n");
	assert_non_null(
		strstr(answered(f, say(f, "metrics\n")), "\ncasement_log_lines_dropped_total 3\n"));
	assert_string_equal(answered(f, say(f, "Status\n")),
			    "fail unknown verb: use status, health, ready, watch, metrics or freeze\n");
	assert_string_equal(answered(f, say(f, "stop\n")),
			    "fail unknown verb: use status, health, ready, watch, metrics or freeze\n");
	/* What follows the first line is nobody's. */
	assert_string_equal(answered(f, say(f, "health\nready\n")), "ok\n");
	assert_int_equal(f->server.n_clients, 0);
	assert_int_equal(f->server.highest, 0);
}

static void test_pieces(void **state)
{
	struct server_fixture *f = *state;
	int fd = say(f, "hea");

	silent(f, fd);
	assert_int_equal(send(fd, "lth", 3, 0), 3);
	settle(f);
	silent(f, fd);
	assert_int_equal(send(fd, "\n", 1, 0), 1);
	settle(f);
	assert_string_equal(answered(f, fd), "ok\n");
	/* The end of what it has to say ends the line. */
	fd = say(f, "health");
	shutdown(fd, SHUT_WR);
	settle(f);
	assert_string_equal(answered(f, fd), "ok\n");
	fd = say(f, "");
	shutdown(fd, SHUT_WR);
	settle(f);
	is_status(answered(f, fd));
}

/* Who says nothing within a second gets the status; who says half a word gets it too. */
static void test_patience(void **state)
{
	struct server_fixture *f = *state;
	int quiet = say(f, ""), half = say(f, "hea");

	assert_true(server_next_deadline(&f->server) == f->base->now + SERVER_PATIENCE_MS);
	f->base->now += SERVER_PATIENCE_MS - 1;
	settle(f);
	silent(f, quiet);
	f->base->now += 1;
	settle(f);
	is_status(answered(f, quiet));
	is_status(answered(f, half));
	assert_true(server_next_deadline(&f->server) == NEVER);
}

static void test_endless_line(void **state)
{
	struct server_fixture *f = *state;
	static char megabyte[1 << 20];
	int fd = connect_client(f);
	ssize_t n;

	memset(megabyte, 'x', sizeof(megabyte));
	n = send(fd, megabyte, sizeof(megabyte), MSG_DONTWAIT | MSG_NOSIGNAL);
	assert_true(n > 0);
	settle(f);
	assert_string_equal(answered(f, fd),
			    "fail unknown verb: use status, health, ready, watch, metrics or freeze\n");
	assert_int_equal(f->server.n_clients, 0);
}

static void test_gone(void **state)
{
	struct server_fixture *f = *state;
	int fd = connect_client(f);

	/* Before it is accepted, after, in the middle of a word, before the answer is read. */
	close(fd);
	settle(f);
	fd = say(f, "");
	close(fd);
	settle(f);
	fd = say(f, "sta");
	close(fd);
	settle(f);
	fd = connect_client(f);
	assert_int_equal(send(fd, "status\n", 7, 0), 7);
	close(fd);
	settle(f);
	assert_int_equal(f->server.n_clients, 0);
	assert_string_equal(answered(f, say(f, "health\n")), "ok\n");
}

/** count_lines() - Every line must be a whole status. */
static unsigned count_lines(char *text)
{
	unsigned n = 0;

	for (char *next; *text; text = next, n++) {
		next = strchr(text, '\n');
		assert_non_null(next);
		*next++ = '\0';
		assert_true(json_is_valid(text, strlen(text)));
	}
	return n;
}

static unsigned lines_for(struct server_fixture *f, int fd)
{
	bool end;

	hear(f, fd, &end);
	assert_false(end);
	return count_lines(f->text);
}

static void test_watch(void **state)
{
	struct server_fixture *f = *state;
	int fd = say(f, "watch\n");

	assert_int_equal(lines_for(f, fd), 1);
	settle(f);
	silent(f, fd);
	assert_true(server_next_deadline(&f->server) == NEVER);
	step(f->base);
	settle(f);
	assert_int_equal(lines_for(f, fd), 1);
	says(f->base, A, "STATUS=one");
	says(f->base, A, "STATUS=two");
	settle(f);
	/* Two changes in one round are one line. */
	assert_int_equal(lines_for(f, fd), 1);
	/* What a watcher says is read and means nothing. */
	assert_int_equal(send(fd, "status\nstatus\n", 14, 0), 14);
	settle(f);
	silent(f, fd);
	close(fd);
	settle(f);
	assert_int_equal(f->server.n_clients, 0);
}

/* A watcher who does not read costs nothing, misses lines in between, gets no torn one, and never
 * misses the last. */
static void test_slow_watcher(void **state)
{
	struct server_fixture *f = *state;
	int slow = say(f, "watch\n"), quick = say(f, "watch\n");
	char status[64], *last;
	bool end;

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(status, sizeof(status), "STATUS=number %u", i);
		says(f->base, A, status);
		settle(f);
		assert_int_equal(lines_for(f, quick), i ? 1 : 2);
	}
	assert_true(f->server.clients[0].behind);
	assert_false(f->server.clients[1].behind);
	hear(f, slow, &end);
	assert_null(strstr(f->text, "number 1999"));
	assert_true(count_lines(f->text) < 2000);
	/* Now there is room: what it has missed is the last state, once. */
	settle(f);
	hear(f, slow, &end);
	last = strstr(f->text, "number 1999");
	assert_non_null(last);
	assert_int_equal(count_lines(f->text), 1);
	settle(f);
	silent(f, slow);
	close(slow);
	close(quick);
}

/** reopen() - The server as it is under a limit of open files. */
static void reopen(struct server_fixture *f, rlim_t files)
{
	struct rlimit limit, raised;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	raised = (struct rlimit){ .rlim_cur = files, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
	close(f->server.fd);
	assert_int_equal(server_open(&f->server, f->path, f->epoll_fd), 0);
	/* The clients are of this process too. */
	raised.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
}

/* More clients than there is room for are told so; the others are served, and room that is given
 * back is used. */
static void test_many(void **state)
{
	static const struct {
		rlim_t files;
		unsigned clients;
	} cases[] = { { 64, 32 },
		      { 300, 150 },
		      { 1024, 1024 - SERVER_RESERVED_FDS },
		      { 4096, SERVER_MAX_CLIENTS } };
	struct server_fixture *f = *state;
	static int fds[SERVER_MAX_CLIENTS];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const unsigned n = cases[i].clients;
		int fd;

		reopen(f, cases[i].files);
		for (unsigned j = 0; j < n; j++) {
			fds[j] = connect_client(f);
			settle(f);
		}
		assert_int_equal(f->server.n_clients, n);
		assert_int_equal(f->server.highest, n);
		fd = connect_client(f);
		settle(f);
		assert_string_equal(answered(f, fd), "fail too many clients\n");
		close(fds[5]);
		settle(f);
		fds[5] = say(f, "watch\n");
		assert_int_equal(lines_for(f, fds[5]), 1);
		for (unsigned j = 0; j < n; j++)
			close(fds[j]);
		settle(f);
		assert_int_equal(f->server.n_clients, 0);
		assert_int_equal(f->server.highest, 0);
	}
}

/* It ends the container, so it is not for everybody who may read the status. */
static void test_freeze(void **state)
{
	struct server_fixture *f = *state;

	start_with_guest(f->base);
	peer = 1000;
	assert_string_equal(answered(f, say(f, "freeze\n")), "fail freeze: only root may do that\n");
	did(f->base, "");
	peer = 0;
	assert_string_equal(answered(f, say(f, "freeze\n")), "ok\n");
	did(f->base, "kill m USR2 0");
	assert_string_equal(answered(f, say(f, "freeze\n")), "fail the guest is being frozen already\n");
	assert_non_null(strstr(answered(f, say(f, "status\n")), "\"freeze\":\"running\""));
	did(f->base, "");
}

int main(void)
{
#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, enter_server, leave_server)
	const struct CMUnitTest tests[] = {
		SERVER_TEST(test_no_descriptors), SERVER_TEST(test_mode),
		SERVER_TEST(test_verbs),	  SERVER_TEST(test_pieces),
		SERVER_TEST(test_patience),	  SERVER_TEST(test_endless_line),
		SERVER_TEST(test_gone),		  SERVER_TEST(test_watch),
		SERVER_TEST(test_slow_watcher),	  SERVER_TEST(test_many),
		SERVER_TEST(test_freeze),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
