/* A growing file that is rotated, truncated and removed under the reader: each line once, in order, whatever is in it. */
#include "init/guest/follow.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char directory[64], path[96];
static struct follow follow;
static char got[65536]; /* lines, each with a line break; a piece ends with + */

static void on_line(void *context, const char *line, size_t length, bool ended)
{
	size_t used = strlen(got);

	assert_ptr_equal(context, got);
	assert_int_equal(strlen(line), length);
	assert_in_range(length, 0, FOLLOW_LINE_MAX);
	assert_true(used + length + 3 < sizeof(got));
	snprintf(got + used, sizeof(got) - used, "%s%s\n", line, ended ? "" : "+");
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-follow.XXXXXX");
	got[0] = '\0';
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/serial.log", directory);
	return 0;
}

static const char *name(int generation)
{
	static char text[128];

	snprintf(text, sizeof(text), generation < 0 ? "%s" : "%s.%d", path, generation);
	return text;
}

static int tear_down(void **state)
{
	(void)state;
	follow_clear(&follow);
	for (int i = -1; i < 8; i++)
		unlink(name(i));
	return rmdir(directory);
}

static void put_bytes(const char *bytes, size_t n)
{
	autoclose int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, n), n);
}

static void put(const char *text)
{
	put_bytes(text, strlen(text));
}

/* As virtlogd does it with three backups. */
static void rotate(void)
{
	char old[128];

	unlink(name(2));
	for (int i = 1; i >= -1; i--) {
		strcpy(old, name(i));
		assert_true(rename(old, name(i + 1)) == 0 || errno == ENOENT);
	}
}

static void begin(void)
{
	follow_init(&follow, path, on_line, got);
}

static void read_all(void)
{
	while (follow_read(&follow, 4096))
		;
}

static void expect(const char *text)
{
	read_all();
	assert_string_equal(got, text);
	got[0] = '\0';
}

static void begins_at_the_end_of_what_is_there(void **state)
{
	(void)state;
	put("old\nolder\n");
	begin();
	expect("");
	put("new\n");
	expect("new\n");
}

static void a_file_that_is_made_later_counts_as_a_whole(void **state)
{
	(void)state;
	begin();
	expect("");
	put("one\ntwo\n");
	expect("one\ntwo\n");
}

static void a_line_comes_when_it_is_complete_or_flushed(void **state)
{
	(void)state;
	begin();
	put("on");
	expect("");
	put("e\ntw");
	expect("one\n");
	put("o");
	read_all();
	follow_flush(&follow);
	expect("two\n");
	follow_flush(&follow);
	expect("");
}

static void a_read_is_bounded(void **state)
{
	(void)state;
	begin();
	put("one\ntwo\nthree\n");
	assert_int_equal(follow_read(&follow, 5), 5);
	assert_string_equal(got, "one\n");
	assert_int_equal(follow_read(&follow, 5), 5);
	assert_string_equal(got, "one\ntwo\n");
	assert_int_equal(follow_read(&follow, 5), 4);
	assert_int_equal(follow_read(&follow, 5), 0);
}

static void control_characters_are_escaped(void **state)
{
	static const char text[] = "a\tb\x1b[31mc\x7f\0d\r\n\r\n\nprogress 1\rprogress 2\r\n";

	(void)state;
	begin();
	put_bytes(text, sizeof(text) - 1);
	expect("a\tb\\x1b[31mc\\x7f\\x00d\nprogress 1\nprogress 2\n");
	put("M\xc3\xbcll \xff\n");
	expect("M\xc3\xbcll \xff\n");
}

static void long_lines_come_in_pieces(void **state)
{
	char text[FOLLOW_LINE_MAX * 2 + 2], wanted[sizeof(text) + 8];

	(void)state;
	begin();
	memset(text, 'x', sizeof(text));
	put_bytes(text, sizeof(text) - 2);
	put("\ny\n");
	snprintf(wanted, sizeof(wanted), "%.*s+\n%.*s\ny\n", FOLLOW_LINE_MAX, text, FOLLOW_LINE_MAX, text);
	expect(wanted);
	/* No piece ends inside of a character or an escape. */
	put_bytes(text, FOLLOW_LINE_MAX - 1);
	put("\xc3\xbc\n");
	snprintf(wanted, sizeof(wanted), "%.*s+\n\xc3\xbc\n", FOLLOW_LINE_MAX - 1, text);
	expect(wanted);
	put_bytes(text, FOLLOW_LINE_MAX - 3);
	put("\x1b\n");
	snprintf(wanted, sizeof(wanted), "%.*s+\n\\x1b\n", FOLLOW_LINE_MAX - 3, text);
	expect(wanted);
	/* The end of a line that fits exactly is told, too, when it comes late. */
	put_bytes(text, FOLLOW_LINE_MAX);
	put("\x1b");
	read_all();
	assert_non_null(strchr(got, '+'));
	got[0] = '\0';
	put("\n");
	expect("\\x1b\n");
}

static void rotation_loses_nothing(void **state)
{
	(void)state;
	put("before\n");
	begin();
	put("one\ntw");
	expect("one\n");
	/* Written to the old file, and then it is gone. */
	put("o\nthree\n");
	rotate();
	expect("two\nthree\n");
	put("four\nfi");
	expect("four\n");
	rotate();
	put("ve\n");
	expect("five\n");
}

static void several_rotations_between_two_looks_lose_nothing(void **state)
{
	(void)state;
	begin();
	put("one\n");
	expect("one\n");
	put("two\n");
	rotate();
	put("three\n");
	rotate();
	rotate(); /* an empty name in between */
	put("four\n");
	expect("two\nthree\nfour\n");
}

static void more_rotations_than_are_kept_lose_the_oldest(void **state)
{
	(void)state;
	begin();
	put("one\n");
	expect("one\n");
	for (const char *line = "abcdef"; *line; line++) {
		char text[] = { *line, '\n', '\0' };

		put(text);
		rotate();
	}
	put("end\n");
	/* The file that was open is read to its end though it has no name; of the others three are left. */
	expect("a\nd\ne\nf\nend\n");
}

static void an_emptied_file_is_read_from_its_beginning(void **state)
{
	(void)state;
	begin();
	put("one\ntwo\nthree\n");
	expect("one\ntwo\nthree\n");
	assert_int_equal(truncate(path, 0), 0);
	put("four\n");
	expect("four\n");
}

static void a_removed_file_is_waited_for(void **state)
{
	(void)state;
	begin();
	put("one\n");
	expect("one\n");
	assert_int_equal(unlink(path), 0);
	expect("");
	put("two\n");
	expect("two\n");
}

static void what_is_no_file_does_no_harm(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	begin();
	expect("");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect("");
	assert_int_equal(rmdir(path), 0);
	put("one\n");
	expect("one\n");
}

static void a_skip_leaves_the_newest_whole_lines(void **state)
{
	(void)state;
	begin();
	put("begun");
	expect("");
	put(" and lost\nlost\nlost\nkept 1\nkept 2\n");
	follow_skip(&follow, 16);
	assert_string_equal(got, "begun\n");
	got[0] = '\0';
	expect("kept 1\nkept 2\n");
	assert_int_equal(follow.left_out, 20);
	/* Nothing to skip. */
	follow.left_out = 0;
	put("all\n");
	follow_skip(&follow, 4);
	expect("all\n");
	assert_int_equal(follow.left_out, 0);
}

static void a_skip_goes_through_rotated_files(void **state)
{
	(void)state;
	begin();
	put("x\n");
	expect("x\n");
	put("1111\n2222\n");
	rotate();
	put("3333\n4444\n");
	rotate();
	put("5555\n6666\n");
	follow_skip(&follow, 16);
	expect("4444\n5555\n6666\n");
	assert_int_equal(follow.left_out, 15);
	put("7777\n");
	rotate();
	put("8888\n9999\n");
	follow_skip(&follow, 0);
	expect("");
	assert_int_equal(follow.left_out, 30);
	put("lost, because the last line's end was not known\nnew\n");
	expect("new\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_at_the_end_of_what_is_there),
		TEST(a_file_that_is_made_later_counts_as_a_whole),
		TEST(a_line_comes_when_it_is_complete_or_flushed),
		TEST(a_read_is_bounded),
		TEST(control_characters_are_escaped),
		TEST(long_lines_come_in_pieces),
		TEST(rotation_loses_nothing),
		TEST(several_rotations_between_two_looks_lose_nothing),
		TEST(more_rotations_than_are_kept_lose_the_oldest),
		TEST(an_emptied_file_is_read_from_its_beginning),
		TEST(a_removed_file_is_waited_for),
		TEST(what_is_no_file_does_no_harm),
		TEST(a_skip_leaves_the_newest_whole_lines),
		TEST(a_skip_goes_through_rotated_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
