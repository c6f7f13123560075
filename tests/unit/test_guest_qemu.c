/* QEMU's process, its log and the count of its boots: found, and not confused with others. */
#include "init/guest/boots.h"
#include "init/guest/qemu.h"
#include "init/guest/qemu_log.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static char directory[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-qemu.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static void path_of(const char *name, char path[static 128])
{
	snprintf(path, 128, "%s/%s", directory, name);
}

static int tear_down(void **state)
{
	static const char *const names[] = { "windows.pid", "windows.log", "boots" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		path_of(names[i], path);
		unlink(path);
	}
	return rmdir(directory);
}

PRINTF_LIKE(2, 3) static void put(const char *name, const char *format, ...)
{
	autofclose FILE *file = NULL;
	char path[128];
	va_list arguments;

	path_of(name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
}

/* A process with libvirt's way of naming a guest in its arguments. */
static pid_t start(const char *guest)
{
	char argument[64];
	int ready[2], hold[2];
	pid_t pid;
	char byte;

	snprintf(argument, sizeof(argument), "guest=%s,debug-threads=on", guest);
	assert_int_equal(pipe(ready) || pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* By way of high numbers: a descriptor must not be replaced before it is copied. */
		int ready_copy = fcntl(ready[1], F_DUPFD, 20), hold_copy = fcntl(hold[0], F_DUPFD, 20);

		dup2(ready_copy, 8);
		dup2(hold_copy, 9);
		execl("/bin/sh", "qemu-system-x86_64", "-c", "echo >&8; exec 8>&-; read x <&9; exit", "-name", argument, NULL);
		_exit(127);
	}
	close(ready[1]);
	close(hold[0]); /* the other end stays: it reads for as long as this test lives */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void finds_the_guest_and_hears_its_end(void **state)
{
	pid_t pid = start("windows");
	struct qemu qemu = QEMU_NONE;
	struct pollfd wait = { .events = POLLIN };
	int status;

	(void)state;
	put("windows.pid", "%d\n", (int)pid);
	assert_int_equal(qemu_find(directory, "windows", &qemu), 0);
	assert_int_equal(qemu.pid, pid);
	wait.fd = qemu.fd;
	assert_int_equal(poll(&wait, 1, 0), 0);
	assert_int_equal(qemu_signal(&qemu, SIGTERM), 0);
	/* Also while nobody has reaped it. Under valgrind there are no pidfds. */
	if (qemu.fd >= 0)
		assert_int_equal(poll(&wait, 1, 20000), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(qemu_signal(&qemu, SIGTERM), -ESRCH);
	qemu_clear(&qemu);
	assert_int_equal(qemu_signal(&qemu, SIGTERM), -ESRCH);
}

/* The number in the file belongs to somebody else by now. */
static void takes_no_other_process(void **state)
{
	static const char *const others[] = { "windows2", "window", "linux" };
	struct qemu qemu = QEMU_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		pid_t pid = start(others[i]);

		put("windows.pid", "%d\n", (int)pid);
		assert_int_equal(qemu_find(directory, "windows", &qemu), -ESRCH);
		end(pid);
	}
	assert_int_equal(qemu.fd, -1);
}

static void nonsense_is_nobody(void **state)
{
	static const char *const texts[] = { "", "x", "0", "1", "-5", "99999999999999999999" };
	struct qemu qemu = QEMU_NONE;

	(void)state;
	assert_int_equal(qemu_find(directory, "windows", &qemu), -ESRCH);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put("windows.pid", "%s", texts[i]);
		assert_int_equal(qemu_find(directory, "windows", &qemu), -ESRCH);
	}
}

static void the_log_ends_with_qemus_words(void **state)
{
	char text[512];

	(void)state;
	qemu_log_tail(directory, "windows", sizeof(text), text);
	assert_string_equal(text, "");
	put("windows.log", "2026-01-01 00:00:00.000+0000: starting up libvirt version: 9.0.0\nLC_ALL=C \\\nPATH=/bin \\\n"
			   "/usr/bin/qemu-system-x86_64 \\\n-name guest=windows,debug-threads=on \\\n-msg timestamp=on\n"
			   "qemu-system-x86_64: first\nqemu-system-x86_64: second\n");
	qemu_log_tail(directory, "windows", sizeof(text), text);
	assert_string_equal(text, "qemu-system-x86_64: first\nqemu-system-x86_64: second");
	/* A small buffer gets whole lines. */
	qemu_log_tail(directory, "windows", 30, text);
	assert_string_equal(text, "qemu-system-x86_64: first");
}

static void the_log_may_be_long(void **state)
{
	autofree char *lines = calloc(1, 100 * 101);
	char text[2048];

	(void)state;
	assert_non_null(lines);
	for (int i = 0; i < 100; i++)
		snprintf(lines + strlen(lines), 101, "line %d %080d\n", i, 0);
	put("windows.log", "%s", lines);
	qemu_log_tail(directory, "windows", sizeof(text), text);
	assert_memory_equal(text, "line 92 ", 8);
	assert_non_null(strstr(text, "line 99 "));
}

static void boots_belong_to_a_process(void **state)
{
	char path[128];

	(void)state;
	path_of("boots", path);
	assert_int_equal(boots_load(path).qemu, 0);
	assert_int_equal(boots_load(path).n, 0);
	boots_save(path, 71, 3);
	assert_int_equal(boots_load(path).qemu, 71);
	assert_int_equal(boots_load(path).n, 3);
	put("boots", "seventy-one");
	assert_int_equal(boots_load(path).qemu, 0);
	put("boots", "71");
	assert_int_equal(boots_load(path).qemu, 0);
	assert_int_equal(boots_load(path).n, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_the_guest_and_hears_its_end), TEST(takes_no_other_process),
		TEST(nonsense_is_nobody),		 TEST(the_log_ends_with_qemus_words),
		TEST(the_log_may_be_long),		 TEST(boots_belong_to_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
