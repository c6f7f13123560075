/*
 * What is taken for the base that an overlay was made on, and what is not. The images are raw files: nobody looks into them.
 */
#include "init/guest/base.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SIZE (64U << 20)

static char directory[64], record[128], base[128], second[128], disk_path[128];
static struct disk disk;
static struct failure failure;
static char lines[4096];

static void collect(void *context, enum log_level level, const char *text, size_t length)
{
	size_t used = strlen(lines);

	(void)context;
	(void)level;
	snprintf(lines + used, sizeof(lines) - used, "%.*s\n", (int)length, text);
}

static void poke(const char *path, off_t offset, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
}

static void poke_byte(const char *path, off_t offset, char byte)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void set_time(const char *path, time_t seconds)
{
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_base(const char *path, const char *text)
{
	poke(path, 0, text);
	assert_int_equal(truncate(path, SIZE), 0);
	set_time(path, 1000000000);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-base.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(record, sizeof(record), "%s/windows.qcow2.base", directory);
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", directory);
	snprintf(base, sizeof(base), "%s/base.raw", directory);
	snprintf(second, sizeof(second), "%s/second.raw", directory);
	disk = (struct disk){ .n = 2 };
	disk.links[0].path = disk_path;
	disk.links[1].path = base;
	make_base(base, "Windows");
	log_redirect(collect, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(record);
	unlink(base);
	unlink(second);
	return rmdir(directory);
}

static int check(void)
{
	lines[0] = '\0';
	failure = (struct failure){ .code = 0 };
	for (size_t i = 1; i < disk.n; i++) {
		struct stat status;

		assert_int_equal(stat(disk.links[i].path, &status), 0);
		disk.links[i].size = (uint64_t)status.st_size;
	}
	return base_check(record, &disk, &failure);
}

static void expect_line(const char *part)
{
	if (!strstr(lines, part))
		fail_msg("expected \"%s\", got \"%s\"", part, lines);
}

static void expect_refusal(const char *part)
{
	/* The second time as well: what was refused is not on record. */
	assert_true(check() < 0);
	assert_true(check() < 0);
	assert_int_equal(failure.code, EXIT_CONFIG);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
	/* What to do is said to the end. */
	assert_non_null(strstr(failure.text, record));
}

/** read_record() - For comparison; static. */
static const char *read_record(void)
{
	static char text[4096];
	autofclose FILE *file = fopen(record, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return text;
}

static void a_record_is_made_once(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(check(), 0);
	expect_line("recorded in");
	assert_non_null(strstr(read_record(), "67108864 1000000000 "));
	assert_int_equal(stat(record, &before), 0);
	assert_int_equal(check(), 0);
	assert_string_equal(lines, "");
	assert_int_equal(stat(record, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}

static void a_disk_on_nothing_has_no_record(void **state)
{
	(void)state;
	disk.n = 1;
	assert_int_equal(check(), 0);
	assert_int_equal(access(record, F_OK), -1);
	assert_string_equal(lines, "");
}

static void another_size_is_another_base(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	assert_int_equal(truncate(base, SIZE + 512), 0);
	set_time(base, 1000000000);
	expect_refusal("that had 67108864 bytes");
	assert_non_null(strstr(failure.text, "this one has 67109376 bytes"));
	assert_non_null(strstr(failure.text, disk_path));
	assert_non_null(strstr(failure.text, base));
	/* Whoever knows better has a way. */
	assert_int_equal(unlink(record), 0);
	assert_int_equal(check(), 0);
	assert_int_equal(check(), 0);
}

/* Same size, same time: a build with SOURCE_DATE_EPOCH does that with raw images. */
static void another_content_is_another_base(void **state)
{
	/* The first MiB, the beginning of the second half, the last MiB: to the byte. */
	static const off_t places[] = { 0, 4096, (1 << 20) - 1, SIZE / 2, SIZE / 2 + 4095, SIZE - (1 << 20), SIZE - 1 };

	(void)state;
	assert_int_equal(check(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		poke_byte(base, places[i], 'x');
		set_time(base, 1000000000);
		expect_refusal("which is not the image that it was made on");
		assert_non_null(strstr(failure.text, "2001-09-09 01:46:40 UTC"));
		poke_byte(base, places[i], i == 0 ? 'W' : '\0');
		set_time(base, 1000000000);
		assert_int_equal(check(), 0);
	}
}

static void a_copy_is_the_same_base(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	/* Another inode, another time: an image that was built again. */
	assert_int_equal(unlink(base), 0);
	make_base(base, "Windows");
	set_time(base, 1100000000);
	assert_int_equal(check(), 0);
	expect_line("last changed on 2004-11-09 11:33:20 UTC, and on 2001-09-09 01:46:40 UTC when");
	/* Said once: the record has it now. */
	assert_non_null(strstr(read_record(), "67108864 1100000000 "));
	assert_int_equal(check(), 0);
	assert_string_equal(lines, "");
}

static void a_base_may_be_moved(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	assert_int_equal(rename(base, second), 0);
	disk.links[1].path = second;
	assert_int_equal(check(), 0);
	expect_line("was moved to");
	assert_non_null(strstr(read_record(), second));
	assert_int_equal(check(), 0);
	assert_string_equal(lines, "");
}

static void every_image_of_a_chain_counts(void **state)
{
	(void)state;
	make_base(second, "below");
	disk.links[2].path = second;
	disk.n = 3;
	assert_int_equal(check(), 0);
	assert_int_equal(check(), 0);
	poke(second, 0, "other");
	expect_refusal(second);
	poke(second, 0, "below");
	disk.n = 2;
	expect_refusal("had 2 images below it and has 1 now");
}

static void a_damaged_record_is_named(void **state)
{
	static const char *const damaged[] = {
		"",
		"casement-base 2\n67108864 1 0123456789abcdef /base\n",
		"casement-base 1\n",
		"casement-base 1\n\n",
		"casement-base 1\n67108864 1 0123456789abcdef\n",
		"casement-base 1\n67108864 1 0123456789abcdef \n",
		"casement-base 1\n67108864 1 0123456789abcdef /base",
		"casement-base 1\n67108864 one 0123456789abcdef /base\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		unlink(record);
		poke(record, 0, damaged[i]);
		expect_refusal("is damaged");
		assert_string_equal(read_record(), damaged[i]);
	}
	/* Longer than any path, and then than any record. */
	poke(record, 0, "casement-base 1\n1 1 0123456789abcdef ");
	for (off_t i = 0; i < 3000; i++)
		poke(record, 16 + 21 + i, "/");
	poke(record, 16 + 21 + 3000, "\n");
	expect_refusal("is damaged");
	poke(record, 0, "casement-base 1\n");
	for (off_t i = 0; i < 2000; i++)
		poke(record, 16 + i * 28, "1 1 0123456789abcdef /base \n");
	expect_refusal("is damaged");
	assert_int_equal(unlink(record), 0);
	assert_int_equal(mkdir(record, 0755), 0);
	expect_refusal("cannot be read: Is a directory");
	assert_int_equal(rmdir(record), 0);
}

static void no_room_for_a_record_is_a_warning(void **state)
{
	(void)state;
	snprintf(record, sizeof(record), "%s/not/there.base", directory);
	assert_int_equal(check(), 0);
	expect_line("may go unnoticed");
}

/* A name with a line break is one line all the same. */
static void names_are_data(void **state)
{
	(void)state;
	snprintf(second, sizeof(second), "%s/a\nb", directory);
	assert_int_equal(rename(base, second), 0);
	disk.links[1].path = second;
	assert_int_equal(check(), 0);
	assert_int_equal(check(), 0);
	assert_string_equal(lines, "");
}

static void small_images_are_read_whole(void **state)
{
	(void)state;
	assert_int_equal(truncate(base, 512), 0);
	assert_int_equal(check(), 0);
	poke(base, 511, "x");
	expect_refusal("which is not the image");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_is_made_once),
		TEST(a_disk_on_nothing_has_no_record),
		TEST(another_size_is_another_base),
		TEST(another_content_is_another_base),
		TEST(a_copy_is_the_same_base),
		TEST(a_base_may_be_moved),
		TEST(every_image_of_a_chain_counts),
		TEST(a_damaged_record_is_named),
		TEST(no_room_for_a_record_is_a_warning),
		TEST(names_are_data),
		TEST(small_images_are_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
