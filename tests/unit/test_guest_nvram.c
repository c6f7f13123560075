/* Whether UEFI variables enforce secure boot: those that Debian ships, and made ones. */
#include "init/guest/nvram.h"

#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define OVMF "/usr/share/OVMF/OVMF_VARS_4M"

static char path[] = "/tmp/casement-test.XXXXXX";

/* One variable, in the form of EDK II, behind some bytes. */
static void write_variable(uint8_t state, const char *name)
{
	static const uint8_t guid[] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
					0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
	uint8_t bytes[100 + 60 + 32] = { 0 };
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	bytes[100] = 0xaa;
	bytes[101] = 0x55;
	bytes[102] = state;
	memcpy(bytes + 144, guid, sizeof(guid));
	for (size_t i = 0; name[i]; i++)
		bytes[160 + 2 * i] = (uint8_t)name[i];
	assert_int_equal(fwrite(bytes, sizeof(bytes), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static int check(const char *file)
{
	struct failure failure = { .text = "" };
	int result = nvram_check_secure(file, &failure);

	if (result) {
		assert_int_equal(failure.code, EXIT_CONFIG);
		assert_non_null(strstr(failure.text, file));
	}
	return result;
}

static void test_debian(void **state)
{
	(void)state;
	assert_int_equal(access(OVMF ".fd", R_OK), 0);
	assert_int_equal(check(OVMF ".fd"), -ENOKEY);
	assert_int_equal(check(OVMF ".ms.fd"), 0);
}

static void test_variables(void **state)
{
	(void)state;
	write_variable(0x3f, "PK");
	assert_int_equal(check(path), 0);
	/* Deleted, half written, and another one. */
	write_variable(0x3c, "PK");
	assert_int_equal(check(path), -ENOKEY);
	write_variable(0x7f, "PK");
	assert_int_equal(check(path), -ENOKEY);
	write_variable(0x3f, "PKDefault");
	assert_int_equal(check(path), -ENOKEY);
	write_variable(0x3f, "KEK");
	assert_int_equal(check(path), -ENOKEY);
}

static void test_files(void **state)
{
	(void)state;
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(check(path), -ENOKEY);
	assert_int_equal(check("/tmp/casement-test.absent"), 0);
	assert_int_equal(check("/tmp"), -EISDIR);
}

static int make_file(void **state)
{
	(void)state;
	return close(mkstemp(path));
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debian),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
