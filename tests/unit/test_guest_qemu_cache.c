/* What is known about QEMU, from one place to the other: what is taken, what is not, and what
 * stays. */
#include "init/guest/qemu_cache.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>

static char directory[64], cache[128], kept[128];

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-cache.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(cache, sizeof(cache), "%s/capabilities/qemu.xml", directory);
	snprintf(kept, sizeof(kept), "%s/kept", directory);
	return 0;
}

static int tear_down(void **state)
{
	char made[128];

	(void)state;
	snprintf(made, sizeof(made), "%s/capabilities", directory);
	unlink(cache);
	unlink(kept);
	rmdir(made);
	/* Nothing else was left. */
	return rmdir(directory);
}

static void put(const char *path, const char *text)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static void expect(const char *path, const char *text)
{
	char found[64] = "";
	autofclose FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_int_equal(fread(found, 1, sizeof(found) - 1, file), strlen(text));
	assert_string_equal(found, text);
}

static void there_and_back(void **state)
{
	struct stat before, now;

	(void)state;
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	qemu_cache_keep(cache, kept);
	assert_int_equal(access(kept, F_OK), -1);
	put(kept, "old");
	qemu_cache_bring(cache, kept);
	expect(cache, "old");
	put(cache, "new");
	/* What libvirtd has is never replaced. */
	qemu_cache_bring(cache, kept);
	expect(cache, "new");
	qemu_cache_keep(cache, kept);
	expect(kept, "new");
	/* Nor is a file that would be the same. */
	assert_int_equal(stat(kept, &before), 0);
	qemu_cache_keep(cache, kept);
	assert_int_equal(stat(kept, &now), 0);
	assert_int_equal(now.st_ino, before.st_ino);
}

static void what_is_not_ours_alone_is_not_taken(void **state)
{
	(void)state;
	put(kept, "theirs");
	assert_int_equal(chmod(kept, 0664), 0);
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	assert_int_equal(chmod(kept, 0646), 0);
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	if (geteuid() == 0) {
		assert_int_equal(chmod(kept, 0644), 0);
		assert_int_equal(chown(kept, 1, 1), 0);
		qemu_cache_bring(cache, kept);
		assert_int_equal(access(cache, F_OK), -1);
	}
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(symlink("/etc/hostname", kept), 0);
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(mkfifo(kept, 0600), 0);
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	assert_int_equal(unlink(kept), 0);
	put(kept, "");
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
	put(kept, "huge");
	assert_int_equal(truncate(kept, 5 << 20), 0);
	qemu_cache_bring(cache, kept);
	assert_int_equal(access(cache, F_OK), -1);
}

/* A link in the place of the kept file is replaced, not followed. */
static void nobody_elses_file_is_written(void **state)
{
	char other[128];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", directory);
	put(other, "precious");
	put(kept, "new");
	qemu_cache_bring(cache, kept);
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(symlink(other, kept), 0);
	qemu_cache_keep(cache, kept);
	expect(kept, "new");
	expect(other, "precious");
	assert_int_equal(unlink(other), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_and_back),
		TEST(what_is_not_ours_alone_is_not_taken),
		TEST(nobody_elses_file_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
