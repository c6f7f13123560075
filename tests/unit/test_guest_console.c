/* The guest's words in the log, in libvirt's real event loop, from files of the test's own. */
#include "init/guest/console.h"
#include "lib/log.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <sys/stat.h>

static char directory[64], serial[128], qemu[128];
static struct console console;
static unsigned lines, rounds, max_in_round;
static uint64_t bytes;
static char last[1200], all[8192];

static void on_log(void *context, enum log_level level, const char *text, size_t length)
{
	(void)context;
	(void)level;
	lines++;
	bytes += length;
	assert_true(length < sizeof(last));
	memcpy(last, text, length);
	last[length] = '\0';
	if (strlen(all) + length + 2 < sizeof(all))
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", last);
}

static void forget(void)
{
	lines = rounds = max_in_round = 0;
	bytes = 0;
	last[0] = all[0] = '\0';
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-console.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(serial, sizeof(serial), "%s/a/serial.log", directory);
	snprintf(qemu, sizeof(qemu), "%s/b/windows.log", directory);
	forget();
	return 0;
}

static int tear_down(void **state)
{
	char path[160];

	(void)state;
	console_clear(&console);
	unlink(serial);
	unlink(qemu);
	snprintf(path, sizeof(path), "%s.0", serial);
	unlink(path);
	for (const char *name = "ab"; *name; name++) {
		snprintf(path, sizeof(path), "%s/%c", directory, *name);
		rmdir(path);
	}
	return rmdir(directory);
}

static void put(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void begin(enum log_console wanted)
{
	console_init(&console, wanted, serial, qemu);
}

static void one_round(void)
{
	unsigned before = lines;

	virEventRunDefaultImpl();
	rounds++;
	if (lines - before > max_in_round)
		max_in_round = lines - before;
}

/* Run the loop until there are so many lines. A timeout of the loop's own ends each round that has nothing to do. */
static void run_until(unsigned wanted)
{
	for (int64_t end = now_ms() + 20000; lines < wanted && now_ms() < end;)
		one_round();
	assert_int_equal(lines, wanted);
}

static void run_some(unsigned n)
{
	while (n--)
		one_round();
}

static void both_are_followed_with_their_names(void **state)
{
	(void)state;
	begin(LOG_CONSOLE_ALL);
	put(serial, "casement-guest-event: up\r\n");
	run_until(1);
	assert_string_equal(last, "serial: casement-guest-event: up");
	put(qemu, "qemu-system-x86_64: warning: what\n");
	run_until(2);
	assert_string_equal(last, "qemu: qemu-system-x86_64: warning: what");
}

static void only_what_is_wanted(void **state)
{
	static const struct {
		enum log_console wanted;
		const char *text;
	} cases[] = {
		{ LOG_CONSOLE_NONE, "" },
		{ LOG_CONSOLE_SERIAL, "serial: one\n" },
		{ LOG_CONSOLE_QEMU, "qemu: two\n" },
	};

	(void)state;
	begin(LOG_CONSOLE_ALL); /* makes the directories */
	console_clear(&console);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		forget();
		begin(cases[i].wanted);
		put(serial, "one\n");
		put(qemu, "two\n");
		run_some(5);
		assert_string_equal(all, cases[i].text);
		console_clear(&console);
	}
}

static void libvirts_command_lines_are_left_out(void **state)
{
	(void)state;
	begin(LOG_CONSOLE_QEMU);
	put(qemu, "2026-01-01 00:00:00.000+0000: starting up libvirt version: 9.0.0\n"
		  "2026-01-01 00:00:00.000+0000: Starting external device: TPM Emulator\n/usr/bin/swtpm socket --tpm2\n"
		  "LC_ALL=C \\\nHOME=/var/lib \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=windows \\\n-msg timestamp=on\n"
		  "char device redirected to /dev/pts/0 (label charserial0)\n");
	run_until(1);
	run_some(3);
	assert_string_equal(all, "qemu: char device redirected to /dev/pts/0 (label charserial0)\n");
}

static void what_was_there_before_is_not_repeated(void **state)
{
	(void)state;
	begin(LOG_CONSOLE_SERIAL);
	put(serial, "one\ntwo\n");
	run_until(2);
	console_clear(&console);
	begin(LOG_CONSOLE_SERIAL);
	put(serial, "three\n");
	run_until(3);
	run_some(3);
	assert_string_equal(all, "serial: one\nserial: two\nserial: three\n");
}

static void a_rotation_is_followed(void **state)
{
	char old[160];

	(void)state;
	begin(LOG_CONSOLE_SERIAL);
	put(serial, "one\n");
	run_until(1);
	put(serial, "two\n");
	snprintf(old, sizeof(old), "%s.0", serial);
	assert_int_equal(rename(serial, old), 0);
	put(serial, "three\n");
	run_until(3);
	assert_string_equal(all, "serial: one\nserial: two\nserial: three\n");
	put(serial, "four\n");
	run_until(4);
}

static void nobody_is_woken_while_nothing_is_written(void **state)
{
	struct pollfd {
		int fd;
		short events, revents;
	};

	(void)state;
	begin(LOG_CONSOLE_ALL);
	put(serial, "one\n");
	run_until(1);
	run_some(5);
	for (size_t i = 0; i < console.n; i++) {
		char buffer[64];

		assert_int_equal(console.streams[i].timer.at, INT64_MAX);
		assert_true(read(console.streams[i].inotify, buffer, sizeof(buffer)) < 0);
	}
}

/* A guest that writes as fast as it can: bounded in each round, bounded in all, and the rest is counted. */
static void a_flood_is_bounded_and_counted(void **state)
{
	char flood[64 * 1024];
	unsigned before;

	(void)state;
	for (size_t i = 0; i < sizeof(flood); i++)
		flood[i] = i % 16 == 15 ? '\n' : (char)('a' + i % 16);
	flood[sizeof(flood) - 1] = '\0';
	begin(LOG_CONSOLE_ALL);
	for (int i = 0; i < 20; i++)
		put(serial, flood);
	put(serial, "\n");
	for (int64_t end = now_ms() + 20000; !console.streams[0].paused && now_ms() < end;)
		one_round();
	assert_true(console.streams[0].paused);
	assert_in_range(max_in_round, 1, 4096 / 16 + 1);
	assert_in_range(bytes, 1, CONSOLE_BURST + CONSOLE_RATE * 20);
	/* It is not listened to now, but the other one is. */
	before = lines;
	put(serial, "nobody hears this\n");
	put(qemu, "but this\n");
	run_until(before + 1);
	assert_string_equal(last, "qemu: but this");
	/* After the pause: what was left out is said, and the newest lines come. */
	console.streams[0].counted -= CONSOLE_PAUSE_MS;
	timer_set(&console.streams[0].timer, now_ms());
	forget();
	for (int64_t end = now_ms() + 20000; !strstr(last, "nobody hears") && now_ms() < end;)
		one_round();
	assert_string_equal(last, "serial: nobody hears this");
	assert_non_null(strstr(all, "bytes were left out"));
	assert_in_range(bytes, 1, CONSOLE_PAUSE_MS / 1000 * CONSOLE_RATE + 1000);
}

static void the_end_brings_what_is_left(void **state)
{
	(void)state;
	begin(LOG_CONSOLE_ALL);
	put(serial, "one\nno line break");
	put(qemu, "fatal: what");
	console_finish(&console);
	assert_string_equal(all, "serial: one\nserial: no line break\nqemu: fatal: what\n");
	/* Even of one that was not listened to. */
	forget();
	console.streams[0].paused = true;
	console.streams[0].allowance = -100;
	put(serial, "last words");
	console_finish(&console);
	assert_string_equal(all, "serial: last words\n");
}

static void the_end_of_a_flood_is_bounded(void **state)
{
	char flood[64 * 1024];

	(void)state;
	memset(flood, 'x', sizeof(flood));
	for (size_t i = 99; i < sizeof(flood); i += 100)
		flood[i] = '\n';
	flood[sizeof(flood) - 1] = '\0';
	begin(LOG_CONSOLE_SERIAL);
	for (int i = 0; i < 20; i++)
		put(serial, flood);
	put(serial, "\nlast words");
	console_finish(&console);
	assert_in_range(bytes, 1, 2 * CONSOLE_BURST);
	assert_non_null(strstr(last, "bytes were left out"));
}

static void what_cannot_be_followed_is_said(void **state)
{
	(void)state;
	console_init(&console, LOG_CONSOLE_ALL, "/proc/nowhere/serial.log", qemu);
	assert_int_equal(console.n, 1);
	assert_non_null(strstr(last, "/proc/nowhere/serial.log cannot be followed: No such file or directory"));
	put(qemu, "two\n");
	run_until(2);
}

static void on_beat(int timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_are_followed_with_their_names),
		TEST(only_what_is_wanted),
		TEST(libvirts_command_lines_are_left_out),
		TEST(what_was_there_before_is_not_repeated),
		TEST(a_rotation_is_followed),
		TEST(nobody_is_woken_while_nothing_is_written),
		TEST(a_flood_is_bounded_and_counted),
		TEST(the_end_brings_what_is_left),
		TEST(the_end_of_a_flood_is_bounded),
		TEST(what_cannot_be_followed_is_said),
	};

	log_redirect(on_log, NULL);
	if (virEventRegisterDefaultImpl() || virEventAddTimeout(20, on_beat, NULL, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
