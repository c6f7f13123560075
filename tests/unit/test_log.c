/* The logger: what a line looks like with and without PID 1 above it, levels, line breaks, long
 * lines, the sink. */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What was written to stderr since the last call. */
static struct {
	int pipe[2];
	int real_stderr;
	char text[16384];
} capture;

static void begin(void)
{
	assert_int_equal(pipe2(capture.pipe, O_CLOEXEC | O_NONBLOCK), 0);
	capture.real_stderr = dup(STDERR_FILENO);
	dup2(capture.pipe[1], STDERR_FILENO);
}

static const char *end(void)
{
	ssize_t n;

	dup2(capture.real_stderr, STDERR_FILENO);
	close(capture.real_stderr);
	close(capture.pipe[1]);
	n = read(capture.pipe[0], capture.text, sizeof(capture.text) - 1);
	capture.text[n < 0 ? 0 : n] = '\0';
	close(capture.pipe[0]);
	return capture.text;
}

static int open_plain(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	log_open("tool");
	log_set_level(LOG_LEVEL_INFO);
	log_redirect(NULL, NULL);
	return 0;
}

static int open_child(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	log_open("tool");
	log_set_level(LOG_LEVEL_DEBUG);
	log_redirect(NULL, NULL);
	return 0;
}

static void test_plain(void **state)
{
	(void)state;
	begin();
	log_error("broken: %s", "thing");
	log_warning("odd");
	log_info("100%%");
	log_debug("not wanted");
	assert_string_equal(end(),
			    "error tool: broken: thing\nwarning tool: odd\ninfo tool: 100%\n");
}

static void test_child(void **state)
{
	(void)state;
	begin();
	log_error("broken");
	log_warning("odd");
	log_info("fine");
	log_debug("wanted");
	assert_string_equal(end(), "<3>broken\n<4>odd\n<6>fine\n<7>wanted\n");
}

static void test_levels(void **state)
{
	static const unsigned levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
					   LOG_LEVEL_DEBUG };
	static const char *const expected[] = {
		"error tool: e\n", "error tool: e\nwarning tool: w\n",
		"error tool: e\nwarning tool: w\ninfo tool: i\n",
		"error tool: e\nwarning tool: w\ninfo tool: i\ndebug tool: d\n"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		log_set_level(levels[i]);
		begin();
		log_error("e");
		log_warning("w");
		log_info("i");
		log_debug("d");
		assert_string_equal(end(), expected[i]);
	}
	assert_string_equal(log_level_name(LOG_LEVEL_ERROR), "error");
	assert_string_equal(log_level_name(LOG_LEVEL_WARNING), "warning");
	assert_string_equal(log_level_name(LOG_LEVEL_INFO), "info");
	assert_string_equal(log_level_name(LOG_LEVEL_DEBUG), "debug");
	assert_string_equal(log_level_name(99), "info");
}

static void test_line_breaks(void **state)
{
	(void)state;
	begin();
	log_info("one\ntwo\n\nthree\n");
	log_info("%s", "");
	log_info("\n");
	assert_string_equal(end(), "info tool: one\ninfo tool: two\ninfo tool: three\n");
}

/* One write per line, cut to what a line may be, and still a line. */
static void test_long(void **state)
{
	char text[3000];
	const char *written;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin();
	log_info("%s", text);
	log_info("next");
	written = end();
	assert_int_equal(strcspn(written, "\n"), 1199);
	assert_string_equal(written + 1200, "info tool: next\n");
}

static void test_errno(void **state)
{
	(void)state;
	begin();
	errno = ENOSPC;
	log_info("errno survives");
	assert_int_equal(errno, ENOSPC);
	close(STDERR_FILENO);
	log_info("even without a stderr");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(end(), "info tool: errno survives\n");
}

struct taken {
	unsigned n;
	char text[64];
};

static void take(void *context, enum log_level level, const char *text, size_t length)
{
	struct taken *taken = context;

	assert_int_equal(level, LOG_LEVEL_WARNING);
	taken->n++;
	strncat(taken->text, text, length);
	strcat(taken->text, "|");
}

static void test_sink(void **state)
{
	struct taken taken = { 0 };

	(void)state;
	log_redirect(take, &taken);
	begin();
	log_warning("a\nb %d", 7);
	log_debug("not wanted");
	assert_string_equal(end(), "");
	assert_int_equal(taken.n, 2);
	assert_string_equal(taken.text, "a|b 7|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, open_plain),
		cmocka_unit_test_setup(test_child, open_child),
		cmocka_unit_test_setup(test_levels, open_plain),
		cmocka_unit_test_setup(test_line_breaks, open_plain),
		cmocka_unit_test_setup(test_long, open_plain),
		cmocka_unit_test_setup(test_errno, open_plain),
		cmocka_unit_test_setup(test_sink, open_plain),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
