/* The container's log: PID 1's lines and its children's, in both formats, and what happens when
 * nobody reads it. */
#include "init/pid1/output.h"

#include "json_reader.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

/* An output that writes into a pipe, and a child's pipe. */
struct fixture {
	struct output output;
	struct output_pipe child;
	int reader;
	char text[65536 * 2];
};

static int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	f->reader = fds[0];
	f->output = (struct output){ .fd = fds[1], .level = LOG_LEVEL_INFO };
	assert_int_equal(output_pipe_open(&f->child), 0);
	/* A test that blocks is a test that fails. */
	alarm(20);
	*state = f;
	return 0;
}

static int leave(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	close(f->output.fd);
	close(f->reader);
	close(f->child.read_fd);
	close(f->child.write_fd);
	free(f);
	return 0;
}

/** written() - Everything that was written since the last call. */
static const char *written(struct fixture *f)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(f->reader, f->text + length, sizeof(f->text) - 1 - length)) > 0)
		length += (size_t)n;
	f->text[length] = '\0';
	return f->text;
}

/** child_writes() - A child writes, and PID 1 takes what is there. */
static void child_writes(struct fixture *f, const char *text, size_t length)
{
	assert_int_equal(write(f->child.write_fd, text, length), length);
	while (output_pipe_drain(&f->output, &f->child, "svc"))
		;
}

#define child_says(f, text) child_writes(f, text, strlen(text))
#define is_written(f, text) assert_string_equal(written(f), text)

static void test_levels(void **state)
{
	struct fixture *f = *state;

	output_line(&f->output, LOG_LEVEL_ERROR, "m", "broken", 6);
	output_line(&f->output, LOG_LEVEL_WARNING, "m", "odd", 3);
	output_line(&f->output, LOG_LEVEL_INFO, "m", "fine and more", 4);
	output_line(&f->output, LOG_LEVEL_DEBUG, "m", "hidden", 6);
	is_written(f, "error m: broken\nwarning m: odd\ninfo m: fine\n");
	f->output.level = LOG_LEVEL_DEBUG;
	output_sink(&f->output, LOG_LEVEL_DEBUG, "shown", 5);
	is_written(f, "debug casement: shown\n");
	assert_int_equal(f->output.dropped_in_all, 0);
}

static void test_child_lines(void **state)
{
	struct fixture *f = *state;

	child_says(f, "one\ntwo\n\n\r\nthree\r\nfo");
	is_written(f, "info svc: one\ninfo svc: two\ninfo svc: three\n");
	child_says(f, "ur");
	is_written(f, "");
	child_says(f, "\n\nfive");
	is_written(f, "info svc: four\n");
	output_pipe_finish(&f->output, &f->child, "svc");
	is_written(f, "info svc: five\n");
	output_pipe_finish(&f->output, &f->child, "svc");
	is_written(f, "");
	/* Byte by byte. */
	for (const char *at = "<4>slow\n"; *at; at++)
		child_writes(f, at, 1);
	is_written(f, "warning svc: slow\n");
}

static void test_prefixes(void **state)
{
	struct fixture *f = *state;

	f->output.level = LOG_LEVEL_DEBUG;
	child_says(f, "<0>a\n<1>b\n<2>c\n<3>d\n<4>e\n<5>f\n<6>g\n<7>h\n");
	is_written(f, "error svc: a\nerror svc: b\nerror svc: c\nerror svc: d\nwarning svc: "
		      "e\ninfo svc: f\ninfo svc: g\n"
		      "debug svc: h\n");
	child_says(f, "<8>a\n<->b\n<3d\n<33>e\n< 3>f\n<3>\n<3>\r\n<>\n<\n");
	is_written(f, "info svc: <8>a\ninfo svc: <->b\ninfo svc: <3d\ninfo svc: <33>e\ninfo svc: < "
		      "3>f\ninfo svc: <>\n"
		      "info svc: <\n");
	f->output.level = LOG_LEVEL_ERROR;
	child_says(f, "<6>no\n<3>yes\nno\n");
	is_written(f, "error svc: yes\n");
}

/* What is longer than a line may be comes in pieces; nothing is lost, and the next line is whole
 * again. */
static void test_long_lines(void **state)
{
	struct fixture *f = *state;
	char line[3001], expected[4096];

	memset(line, 'x', 3000);
	line[3000] = '\0';
	child_says(f, line);
	child_says(f, "y\nnext\n");
	snprintf(expected, sizeof(expected),
		 "info svc: %.1024s\ninfo svc: %.1024s\ninfo svc: %.952sy\ninfo svc: next\n", line,
		 line, line);
	is_written(f, expected);
	/* Exactly a line. */
	line[1023] = '\n';
	child_writes(f, line, 1024);
	snprintf(expected, sizeof(expected), "info svc: %.1023s\n", line);
	is_written(f, expected);
	line[1023] = 'x';
	child_writes(f, line, 1024);
	snprintf(expected, sizeof(expected), "info svc: %.1024s\n", line);
	is_written(f, expected);
}

/* A zero byte and others that are no text end no line early. */
static void test_binary(void **state)
{
	struct fixture *f = *state;

	f->output.format = LOG_FORMAT_JSON;
	child_writes(f, "a\0b\xff\x1b\n", 6);
	assert_non_null(strstr(written(f), "\"text\":\"a\\u0000b\xef\xbf\xbd\\u001b\"}\n"));
}

/* Nothing that a terminal would obey, and nothing is lost behind a zero byte. */
static void test_control_characters(void **state)
{
	static const char bytes[] = "a\0b\x1b[2Jc\rd\te\x7f\xc2\x9b"
				    "f\xc2\xa0\xc3\x9b\x01\xc2\n";
	struct fixture *f = *state;

	child_writes(f, bytes, sizeof(bytes) - 1);
	is_written(f, "info svc: a?b?[2Jc?d\te???f\xc2\xa0\xc3\x9b?\xc2\n");
	/* The colour's own escapes stay, even at the end of a line that is cut. */
	f->output.coloured = true;
	output_line(&f->output, LOG_LEVEL_ERROR, "m", "\x1b[0m", 4);
	is_written(f, "\x1b[31merror m: ?[0m\x1b[0m\n");
	output_line(&f->output, LOG_LEVEL_ERROR, "m", f->text, 8000);
	assert_true(strlen(written(f)) <= 4096);
	assert_string_equal(f->text + strlen(f->text) - 5, "\x1b[0m\n");
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	const struct log_config config = { .level = LOG_LEVEL_WARNING, .format = LOG_FORMAT_JSON };
	char value[1024];
	size_t length;

	output_configure(&f->output, &config);
	output_line(&f->output, LOG_LEVEL_INFO, "m", "hidden", 6);
	output_line(&f->output, LOG_LEVEL_WARNING, "m", "a\"b", 3);
	length = strlen(written(f));
	assert_int_equal(f->text[length - 1], '\n');
	assert_true(json_is_valid(f->text, length - 1));
	assert_string_equal(json_find(f->text, length - 1, "level", value, sizeof(value)),
			    "\"warning\"");
	assert_string_equal(json_find(f->text, length - 1, "module", value, sizeof(value)),
			    "\"m\"");
	assert_string_equal(json_find(f->text, length - 1, "text", value, sizeof(value)),
			    "\"a\\\"b\"");
	assert_true(strtoll(json_find(f->text, length - 1, "time_ms", value, sizeof(value)), NULL,
			    10) > INT64_C(1600000000000));
}

/** is_in_json() - The objects that were written are whole, none is longer than PIPE_BUF, there are
 * @n, and their texts are @n_units times @unit. */
static void is_in_json(struct fixture *f, unsigned n, const char *unit, unsigned n_units)
{
	const char *line = written(f), *end;
	unsigned found = 0;

	for (; (end = strchr(line, '\n')); line = end + 1, n--) {
		size_t length = (size_t)(end - line), value = 0;
		static char text[8192];

		assert_true(length < 4096 && json_is_valid(line, length));
		json_find(line, length, "text", text, sizeof(text));
		for (value = 1; strncmp(text + value, unit, strlen(unit)) == 0; found++)
			value += strlen(unit);
		assert_string_equal(text + value, "\"");
	}
	assert_int_equal(n, 0);
	assert_int_equal(found, n_units);
}

/* A child's longest line is one object unless escapes make it too long for that: then it is
 * several, and nothing is lost. No character is cut in two. */
static void test_json_long_lines(void **state)
{
	static const struct {
		const char *bytes, *unit;
		unsigned n_bytes, n;
	} cases[] = {
		{ "x", "x", 1023, 1 },
		{ "\"", "\\\"", 1023, 1 },
		{ "\x01", "\\u0001", 1023, 2 },
		{ "\xff", "\xef\xbf\xbd", 1023, 1 },
		{ "\xe2\x82\xac", "\xe2\x82\xac", 1023, 1 },
		{ "\xe2\x82\xac", "\xe2\x82\xac", 6000, 6 },
		{ "x", "x", 3000, 3 },
	};
	struct fixture *f = *state;

	f->output.format = LOG_FORMAT_JSON;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[6001];

		for (unsigned at = 0; at < cases[i].n_bytes; at++)
			line[at] = cases[i].bytes[at % strlen(cases[i].bytes)];
		line[cases[i].n_bytes] = '\n';
		child_writes(f, line, cases[i].n_bytes + 1);
		is_in_json(f, cases[i].n, cases[i].unit,
			   cases[i].n_bytes / (unsigned)strlen(cases[i].bytes));
	}
	/* The name of a service has up to 40 bytes. */
	output_line(&f->output, LOG_LEVEL_WARNING, "a-service-of-the-longest-name-there-may-be", "",
		    0);
	assert_true(strlen(written(f)) <= 256);
}

/* A line of PID 1's own that does not fit is cut and still a line. */
static void test_own_long_line(void **state)
{
	struct fixture *f = *state;
	char line[8000];

	memset(line, 'x', sizeof(line));
	output_line(&f->output, LOG_LEVEL_INFO, "m", line, sizeof(line));
	output_line(&f->output, LOG_LEVEL_INFO, "m", "next", 4);
	assert_in_range(strcspn(written(f), "\n"), 4080, 4095);
	assert_string_equal(strchr(f->text, '\n'), "\ninfo m: next\n");
}

/*
 * Nobody reads: lines are dropped and counted, and said so as soon as there is room, be it only for
 * the short line that says so. What went through went through as a whole.
 */
static void test_full(void **state)
{
	struct fixture *f = *state;
	unsigned long long n, n_whole = 0, n_noticed = 0;
	char line[1001];

	memset(line, 'x', 1000);
	for (unsigned i = 0; i < 200; i++)
		output_line(&f->output, LOG_LEVEL_INFO, "m", line, 1000);
	assert_true(f->output.dropped_in_all > 100);
	assert_true(f->output.dropped > 100);
	for (const char *at = written(f); *at; at = strchr(at, '\n') + 1) {
		if (sscanf(at, "warning casement: %llu lines were dropped: nobody read the log",
			   &n) == 1)
			n_noticed += n;
		else
			n_whole += strcspn(at, "\n") == 1008;
	}
	assert_int_equal(n_whole + f->output.dropped_in_all, 200);
	assert_int_equal(n_noticed + f->output.dropped, f->output.dropped_in_all);
	snprintf(line, sizeof(line),
		 "warning casement: %llu lines were dropped: nobody read the log\ninfo m: after\n",
		 (unsigned long long)f->output.dropped);
	output_line(&f->output, LOG_LEVEL_INFO, "m", "after", 5);
	is_written(f, line);
	assert_int_equal(f->output.dropped, 0);
	output_line(&f->output, LOG_LEVEL_INFO, "m", "normal", 6);
	is_written(f, "info m: normal\n");
}

/* The reader is gone for good: lines are dropped, nothing else happens. */
static void test_broken(void **state)
{
	struct fixture *f = *state;
	sigset_t pipe_signal;

	/* As PID 1 has it. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_signal, NULL);
	close(f->reader);
	output_line(&f->output, LOG_LEVEL_INFO, "m", "lost", 4);
	assert_int_equal(f->output.dropped, 1);
	f->reader = -1;
}

/** with_stderr() - Open the output on a descriptor in the place of stderr. */
static void with_stderr(struct output *output, int fd)
{
	int saved = dup(STDERR_FILENO);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	else
		close(STDERR_FILENO);
	output_open(output);
	for (unsigned i = 0; i < 3000; i++)
		output_line(output, LOG_LEVEL_INFO, "m", "a line like any other", 21);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

/* A stderr that blocks: PID 1 must not, and must not change it for those who share it. */
static void test_blocking_stderr(void **state)
{
	struct output output;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	with_stderr(&output, fds[1]);
	assert_true(output.fd != STDERR_FILENO);
	assert_false(output.coloured);
	assert_true(output.dropped_in_all > 0);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(output.fd);
	close(fds[0]);
	close(fds[1]);
}

/* A socket cannot be opened a second time: it is asked for room before each line. */
static void test_socket_stderr(void **state)
{
	struct output output;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	with_stderr(&output, fds[1]);
	assert_int_equal(output.fd, STDERR_FILENO);
	assert_true(output.blocking);
	assert_true(output.dropped_in_all > 0);
	assert_true(output.dropped_in_all < 3000);
	close(fds[0]);
	close(fds[1]);
}

static void test_no_stderr(void **state)
{
	struct output output;

	(void)state;
	with_stderr(&output, -1);
	assert_int_equal(output.dropped_in_all, 3000);
}

static void test_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave, saved;
	struct output output;
	char text[256] = "";

	(void)state;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	saved = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	output_open(&output);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(output.coloured);
	output_line(&output, LOG_LEVEL_ERROR, "m", "red", 3);
	output_line(&output, LOG_LEVEL_INFO, "m", "plain", 5);
	/* The terminal hands over what it has, when it has it. */
	for (size_t length = 0; !strstr(text, "plain\r\n"); length = strlen(text)) {
		struct pollfd poller = { .fd = master, .events = POLLIN };

		assert_int_equal(poll(&poller, 1, 10000), 1);
		assert_true(read(master, text + length, sizeof(text) - 1 - length) > 0);
	}
	assert_string_equal(text, "\x1b[31merror m: red\x1b[0m\r\ninfo m: plain\r\n");
	close(output.fd);
	close(slave);
	close(master);
}

/* The same line again and again is one line, and how often it came. */
static void test_repeated(void **state)
{
	struct fixture *f = *state;

	child_says(f, "again\nagain\nagain\n");
	is_written(f, "info svc: again\n");
	child_says(f, "other\nother\n<4>other\n");
	/* The level does not make it another line. */
	is_written(f, "info svc: the last line came 2 times more\ninfo svc: other\n");
	child_says(f, "\n");
	output_pipe_finish(&f->output, &f->child, "svc");
	is_written(f, "info svc: the last line came 2 times more\n");
	/* Another process says it once more; and hidden lines do not count. */
	child_says(f, "other\n<7>hidden\nother\nlast\n");
	is_written(f, "info svc: other\ninfo svc: the last line came once more\ninfo svc: last\n");
	/* One that never stops is heard of at 10, 100, 1,000. */
	for (int i = 0; i < 1500; i++)
		child_says(f, "last\n");
	is_written(f, "info svc: the last line came 10 times more\n"
		      "info svc: the last line came 90 times more\n"
		      "info svc: the last line came 900 times more\n");
	output_pipe_finish(&f->output, &f->child, "svc");
	is_written(f, "info svc: the last line came 500 times more\n");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_levels),
		TEST(test_child_lines),
		TEST(test_prefixes),
		TEST(test_long_lines),
		TEST(test_binary),
		TEST(test_json),
		TEST(test_control_characters),
		TEST(test_json_long_lines),
		TEST(test_own_long_line),
		TEST(test_repeated),
		TEST(test_full),
		TEST(test_broken),
		TEST(test_blocking_stderr),
		TEST(test_socket_stderr),
		TEST(test_no_stderr),
		TEST(test_terminal),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
