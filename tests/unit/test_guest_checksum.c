/* XXH3 of whole files, against values of the xxHash project's own xxh128sum. */
#include "init/guest/checksum.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

static char path[32];

static int set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/casement-sum.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* A file of @size bytes, 0 to 250 again and again: no two pieces of a megabyte are alike. */
static void expect_sum(size_t size, const char *expected)
{
	autofclose FILE *file = fopen(path, "we");
	char sum[CHECKSUM_SIZE];
	uint64_t found = 42;

	assert_non_null(file);
	for (size_t i = 0; i < size; i++)
		fputc((int)(i % 251), file);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(checksum_file(path, &found, sum), 0);
	assert_int_equal(found, size);
	assert_string_equal(sum, expected);
}

static void of_nothing(void **state)
{
	(void)state;
	expect_sum(0, "99aa06d3014798d86001c324468d497f");
}

static void of_more_than_is_read_at_once(void **state)
{
	(void)state;
	expect_sum(1, "a6cd5e9392000f6ac44bdff4074eecdb");
	expect_sum(1 << 20, "53738d98098cabba6e0d7ac36b8c10ff");
	expect_sum((3 << 20) + 7, "6fca2ec0e3e5f43862cb94c36b8a258f");
}

static void of_what_cannot_be_read(void **state)
{
	char sum[CHECKSUM_SIZE];
	uint64_t size;

	(void)state;
	assert_int_equal(checksum_file("/nowhere/file", &size, sum), -ENOENT);
	assert_int_equal(checksum_file("/tmp", &size, sum), -EISDIR);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_nothing),
		TEST(of_more_than_is_read_at_once),
		TEST(of_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
