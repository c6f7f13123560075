/* Numbers, durations, sizes, signals and the like: each good form with what it means, each bad form
 * with its reason. */
#include "lib/value.h"

#include "lib/util.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

/* What a function says about a text: the reason, or that it is fine. */
static const char *said(const char *reason)
{
	return reason ? reason : "(accepted)";
}

#define REFUSED(call, expected) assert_string_equal(said(call), expected)
#define TAKEN(call) assert_string_equal(said(call), "(accepted)")

static void test_unsigned(void **state)
{
	static const char *const bad[] = { "",
					   " ",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1.0",
					   "0x10",
					   "1e3",
					   "one",
					   "11",
					   "1",
					   "4294967298",
					   "18446744073709551618",
					   "99999999999999999999999" };
	unsigned value = 7;

	(void)state;
	TAKEN(value_unsigned("2", 2, 10, &value));
	assert_int_equal(value, 2);
	TAKEN(value_unsigned("10", 2, 10, &value));
	assert_int_equal(value, 10);
	TAKEN(value_unsigned("00003", 2, 10, &value));
	assert_int_equal(value, 3);
	TAKEN(value_unsigned("4294967295", 0, UINT_MAX, &value));
	assert_int_equal(value, UINT_MAX);
	value = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_unsigned(bad[i], 2, 10, &value), "is not a number in range");
		assert_int_equal(value, 7);
	}
	REFUSED(value_unsigned("4294967296", 0, UINT_MAX, &value), "is not a number in range");
}

static void test_oom_score(void **state)
{
	static const struct {
		const char *text;
		int value;
	} good[] = {
		{ "0", 0 }, { "-0", 0 }, { "-1000", -1000 }, { "1000", 1000 }, { "-17", -17 }
	};
	static const char *const bad[] = { "",	    "-",  "--1", "+1",	      "1001",
					   "-1001", "1 ", "- 1", "4294966296" };
	int value = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		TAKEN(value_oom_score(good[i].text, &value));
		assert_int_equal(value, good[i].value);
	}
	value = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_oom_score(bad[i], &value), "is not a number from -1000 to 1000");
		assert_int_equal(value, 7);
	}
}

static void test_bool(void **state)
{
	static const char *const yes[] = { "yes", "true", "on", "1", "YES", "True", "oN" };
	static const char *const no[] = { "no", "false", "off", "0", "NO", "False", "oFF" };
	static const char *const bad[] = { "",	  "y",	     "n",  "2",	       "yes ",
					   " no", "enabled", "00", "truefalse" };
	bool value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		value = false;
		TAKEN(value_bool(yes[i], &value));
		assert_true(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		value = true;
		TAKEN(value_bool(no[i], &value));
		assert_false(value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		value = true;
		REFUSED(value_bool(bad[i], &value), "is neither yes nor no");
		assert_true(value);
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		unsigned ms;
	} good[] = {
		{ "0", 0 },
		{ "90", 90000 },
		{ "90s", 90000 },
		{ "500ms", 500 },
		{ "2m", 120000 },
		{ "3min", 180000 },
		{ "1h", 3600000 },
		{ "0ms", 0 },
		{ "596h", 2145600000 },
		{ "2147483647ms", INT_MAX },
		{ "2147483s", 2147483000 },
	};
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "is not a duration such as 90s, 500ms, 2m or 1h" },
		{ "s", "is not a duration such as 90s, 500ms, 2m or 1h" },
		{ "-1s", "is not a duration such as 90s, 500ms, 2m or 1h" },
		{ " 1s", "is not a duration such as 90s, 500ms, 2m or 1h" },
		{ "2147483648ms", "is not a duration such as 90s, 500ms, 2m or 1h" },
		{ "1d", "has an unknown unit of time: use ms, s, m or h" },
		{ "1S", "has an unknown unit of time: use ms, s, m or h" },
		{ "1 s", "has an unknown unit of time: use ms, s, m or h" },
		{ "1.5s", "has an unknown unit of time: use ms, s, m or h" },
		{ "1m30s", "has an unknown unit of time: use ms, s, m or h" },
		{ "597h", "is longer than 24 days" },
		{ "2147484", "is longer than 24 days" },
		{ "2147483647h", "is longer than 24 days" },
	};
	unsigned ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ms = 7;
		TAKEN(value_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ms = 7;
		REFUSED(value_duration(bad[i].text, &ms), bad[i].reason);
		assert_int_equal(ms, 7);
	}
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "1K", 1024 },
		{ "512M", UINT64_C(512) << 20 },
		{ "4G", UINT64_C(4) << 30 },
		{ "4g", UINT64_C(4) << 30 },
		{ "4GB", UINT64_C(4) << 30 },
		{ "4GiB", UINT64_C(4) << 30 },
		{ "4gib", UINT64_C(4) << 30 },
		{ "2T", UINT64_C(2) << 40 },
		{ "16777215T", UINT64_C(16777215) << 40 },
	};
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "is not a size such as 512M or 4G" },
		{ "G", "is not a size such as 512M or 4G" },
		{ "-4G", "is not a size such as 512M or 4G" },
		{ "99999999999999999999G", "is not a size such as 512M or 4G" },
		{ "4", "has no unit: write 512M or 4G" },
		{ "4096", "has no unit: write 512M or 4G" },
		{ "4 G", "has an unknown unit: use K, M, G or T" },
		{ "4P", "has an unknown unit: use K, M, G or T" },
		{ "4GX", "has an unknown unit: use K, M, G or T" },
		{ "4Gi", "has an unknown unit: use K, M, G or T" },
		{ "4.5G", "has an unknown unit: use K, M, G or T" },
		{ "16777216T", "is too large" },
		{ "17592186044415T", "is too large" },
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		bytes = 7;
		TAKEN(value_size(good[i].text, &bytes));
		assert_true(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		bytes = 7;
		REFUSED(value_size(bad[i].text, &bytes), bad[i].reason);
		assert_true(bytes == 7);
	}
}

static void test_choice(void **state)
{
	static const char *const choices[] = { "auto", "kvm", "tcg", NULL };
	static const char *const bad[] = { "", "KVM", "kv", "kvmm", "tcg ", "auto,kvm" };
	unsigned index = 7;

	(void)state;
	for (unsigned i = 0; choices[i]; i++) {
		TAKEN(value_choice(choices[i], choices, &index));
		assert_int_equal(index, i);
	}
	index = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_choice(bad[i], choices, &index), "is none of the choices");
		assert_int_equal(index, 7);
	}
}

static void test_signal(void **state)
{
	const struct {
		const char *text;
		int number;
	} good[] = {
		{ "TERM", SIGTERM },
		{ "SIGTERM", SIGTERM },
		{ "15", 15 },
		{ "KILL", SIGKILL },
		{ "SIGUSR1", SIGUSR1 },
		{ "USR2", SIGUSR2 },
		{ "RTMIN", SIGRTMIN },
		{ "RTMIN+3", SIGRTMIN + 3 },
		{ "SIGRTMIN+3", SIGRTMIN + 3 },
		{ "RTMIN+0", SIGRTMIN },
		{ "1", 1 },
		{ "RTMIN+30", SIGRTMAX },
		{ "64", 64 },
	};
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "SIG", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "term", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "SIGSIGTERM", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "TERM ", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "0", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "65", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "-1", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "RTMAX", "is not a signal such as TERM, QUIT or RTMIN+3" },
		{ "RTMIN+", "is not a signal" },
		{ "RTMIN+31", "is not a signal" },
		{ "RTMIN-1", "is not a signal" },
		{ "RTMIN+x", "is not a signal" },
		{ "RTMIN3", "is not a signal" },
	};
	int number;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		number = -7;
		TAKEN(value_signal(good[i].text, &number));
		assert_int_equal(number, good[i].number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		number = -7;
		REFUSED(value_signal(bad[i].text, &number), bad[i].reason);
		assert_int_equal(number, -7);
	}
}

static void test_mode(void **state)
{
	static const char *const bad[] = { "",	   "8",	   "0668", "rw",    "-660",
					   "+660", " 660", "660 ", "00660", "0x1ff" };
	mode_t mode = 07;

	(void)state;
	TAKEN(value_mode("0660", &mode));
	assert_int_equal(mode, 0660);
	TAKEN(value_mode("660", &mode));
	assert_int_equal(mode, 0660);
	TAKEN(value_mode("0", &mode));
	assert_int_equal(mode, 0);
	TAKEN(value_mode("0777", &mode));
	assert_int_equal(mode, 0777);
	mode = 07;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_mode(bad[i], &mode), "is not an octal mode such as 0660");
		assert_int_equal(mode, 07);
	}
	REFUSED(value_mode("1777", &mode), "is not an octal mode from 0 to 0777");
	REFUSED(value_mode("4755", &mode), "is not an octal mode from 0 to 0777");
	assert_int_equal(mode, 07);
}

static void test_codes(void **state)
{
	static const char *const bad[] = { "256", "-1",	 "1-3",
					   "1;2", "one", "1 2 x",
					   "0x1", "1.",	 "1000000000000000000000" };
	static const uint32_t before[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint32_t codes[8];

	(void)state;
	TAKEN(value_codes("", codes));
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(codes[i], 0);
	TAKEN(value_codes(" 0,10 ,, 11  255, 32 31 ", codes));
	assert_int_equal(codes[0], 1U << 0 | 1U << 10 | 1U << 11 | 1U << 31);
	assert_int_equal(codes[1], 1U << 0);
	assert_int_equal(codes[7], 1U << 31);
	for (size_t i = 2; i < 7; i++)
		assert_int_equal(codes[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(codes, before, sizeof(codes));
		REFUSED(value_codes(bad[i], codes), "is not a list of exit codes from 0 to 255");
		assert_memory_equal(codes, before, sizeof(codes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsigned), cmocka_unit_test(test_oom_score),
		cmocka_unit_test(test_bool),	 cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),	 cmocka_unit_test(test_choice),
		cmocka_unit_test(test_signal),	 cmocka_unit_test(test_mode),
		cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
