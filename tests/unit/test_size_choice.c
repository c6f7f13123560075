/* [guest] memory and cpus as text: what is one, and that a mistake changes nothing. */
#include "lib/size_choice.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void memory_good(void **state)
{
	static const struct {
		const char *text;
		struct memory_choice choice;
	} good[] = {
		{ "4G", { .bytes = UINT64_C(4) << 30 } },
		{ "64M", { .bytes = 64 << 20 } },
		{ "65536K", { .bytes = 64 << 20 } },
		{ "100T", { .bytes = UINT64_C(100) << 40 } },
		{ "1%", { .kind = MEMORY_PERCENT, .percent = 1 } },
		{ "50%", { .kind = MEMORY_PERCENT, .percent = 50 } },
		{ "100%", { .kind = MEMORY_PERCENT, .percent = 100 } },
		{ "max", { .kind = MEMORY_MAX } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct memory_choice choice;

		memset(&choice, 0xa5, sizeof(choice));
		assert_null(memory_choice_parse(good[i].text, &choice));
		assert_memory_equal(&choice, &good[i].choice, sizeof(choice));
	}
}

static void memory_bad(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "is neither a size such as 4G nor a percentage such as 50% nor max" },
		{ "%", "is neither a size such as 4G nor a percentage such as 50% nor max" },
		{ "Max", "is neither a size such as 4G nor a percentage such as 50% nor max" },
		{ "-5%", "is neither a size such as 4G nor a percentage such as 50% nor max" },
		{ "max%", "is neither a size such as 4G nor a percentage such as 50% nor max" },
		{ "0%", "is not a percentage from 1% to 100%" },
		{ "101%", "is not a percentage from 1% to 100%" },
		{ "5.5%", "is not a percentage from 1% to 100%" },
		{ "50 %", "is not a percentage from 1% to 100%" },
		{ "50%%", "is not a percentage from 1% to 100%" },
		{ "9999%", "is not a percentage from 1% to 100%" },
		{ "99999999999999999999%", "is not a percentage from 1% to 100%" },
		{ "4", "has no unit: write 512M or 4G" },
		{ "4X", "has an unknown unit: use K, M, G or T" },
		{ "99999999999T", "is too large" },
		{ "63M", "is less than 64M, which no guest starts with" },
		{ "0G", "is less than 64M, which no guest starts with" },
	};
	struct memory_choice choice = { .bytes = 12345 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *reason = memory_choice_parse(bad[i].text, &choice);

		assert_non_null(reason);
		assert_string_equal(reason, bad[i].reason);
		assert_int_equal(choice.bytes, 12345);
		assert_int_equal(choice.kind, MEMORY_SIZE);
	}
}

static void cpus(void **state)
{
	static const char *const bad[] = { "", "0", "256", "-1", "2.5", "Max", "max ", "50%" };
	unsigned n = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_string_equal(cpus_choice_parse(bad[i], &n),
				    "is neither a number from 1 to 255 nor max");
		assert_int_equal(n, 7);
	}
	assert_null(cpus_choice_parse("1", &n));
	assert_int_equal(n, 1);
	assert_null(cpus_choice_parse("255", &n));
	assert_int_equal(n, 255);
	assert_null(cpus_choice_parse("max", &n));
	assert_int_equal(n, CPUS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_good),
		cmocka_unit_test(memory_bad),
		cmocka_unit_test(cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
