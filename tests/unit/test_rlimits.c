/* Lists of limits: what is one, and that a mistake changes nothing. */
#include "lib/rlimits.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

static void test_good(void **state)
{
	struct limits limits = { 0 };

	(void)state;
	assert_null(limits_parse("core=0 memlock=64M, nproc=200\tstack=unlimited", &limits));
	assert_int_equal(limits.set, 1 << LIMIT_CORE | 1 << LIMIT_MEMLOCK | 1 << LIMIT_NPROC |
					     1 << LIMIT_STACK);
	assert_int_equal(limits.value[LIMIT_CORE], 0);
	assert_int_equal(limits.value[LIMIT_MEMLOCK], 64 << 20);
	assert_int_equal(limits.value[LIMIT_NPROC], 200);
	assert_true(limits.value[LIMIT_STACK] == UINT64_MAX);
	/* The last one of two counts; none is how a later file takes all back. */
	assert_null(limits_parse("cpu=5 cpu=7 fsize=4096", &limits));
	assert_int_equal(limits.value[LIMIT_CPU], 7);
	assert_int_equal(limits.value[LIMIT_FSIZE], 4096);
	assert_null(limits_parse("  ", &limits));
	assert_int_equal(limits.set, 0);
}

static void test_bad(void **state)
{
	static const char *const bad[] = { "core",     "core=",	   "=5",
					   "cores=1",  "core=-1",  "core=1 nproc",
					   "nproc=4K", "cpu=1s",   "memlock=64X",
					   "core=1=2", "nofile=5", "as=4294967296" };
	struct limits limits = { .set = 12345 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_non_null(limits_parse(bad[i], &limits));
		assert_int_equal(limits.set, 12345);
	}
}

static void test_resources(void **state)
{
	(void)state;
	assert_int_equal(limits_resource(LIMIT_CORE), RLIMIT_CORE);
	assert_int_equal(limits_resource(LIMIT_STACK), RLIMIT_STACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
