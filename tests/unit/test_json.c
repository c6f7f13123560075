/* JSON into a fixed buffer, read back by a strict parser, and what happens when the buffer is full.
 */
#include "init/pid1/json.h"

#include "json_reader.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_layout(void **state)
{
	char buffer[256];
	struct json json = { .at = buffer, .size = sizeof(buffer) };

	(void)state;
	json_object_begin(&json, NULL);
	json_number(&json, "least", INT64_MIN);
	json_number(&json, "most", INT64_MAX);
	json_array_begin(&json, "empty");
	json_array_end(&json);
	json_array_begin(&json, "list");
	json_number(&json, NULL, 0);
	json_string(&json, NULL, "a");
	json_object_begin(&json, NULL);
	json_object_end(&json);
	json_array_end(&json);
	json_object_begin(&json, "inner");
	json_string(&json, "b", "");
	json_object_end(&json);
	json_object_end(&json);
	assert_false(json.truncated);
	buffer[json.length] = '\0';
	assert_string_equal(
		buffer, "{\"least\":-9223372036854775808,\"most\":9223372036854775807,\"empty\":[],"
			"\"list\":[0,\"a\",{}],\"inner\":{\"b\":\"\"}}");
}

static void string_is(const char *text, size_t length, const char *expected)
{
	char buffer[256];
	struct json json = { .at = buffer, .size = sizeof(buffer) - 1 };

	json_bytes(&json, NULL, text, length);
	assert_false(json.truncated);
	buffer[json.length] = '\0';
	assert_string_equal(buffer, expected);
}

static void test_escapes(void **state)
{
	(void)state;
	string_is("plain /\xc3\xa4", 9, "\"plain /\xc3\xa4\"");
	string_is("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	string_is("\n\t\r\b\x1f\x7f", 6, "\"\\u000a\\u0009\\u000d\\u0008\\u001f\\u007f\"");
	string_is("\0x", 2, "\"\\u0000x\"");
	string_is("abc", 2, "\"ab\"");
}

#define BAD "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		/* The first and the last of each length, RFC 3629. */
		{ "\xc2\x80", "\xc2\x80" },
		{ "\xdf\xbf", "\xdf\xbf" },
		{ "\xe0\xa0\x80", "\xe0\xa0\x80" },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
		{ "\xee\x80\x80", "\xee\x80\x80" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbf" },
		{ "\xf0\x90\x80\x80", "\xf0\x90\x80\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		/* Overlong, surrogates, beyond U+10FFFF, lone and missing continuations. */
		{ "\xc0\x80", BAD BAD },
		{ "\xc1\xbf", BAD BAD },
		{ "\xe0\x9f\xbf", BAD BAD BAD },
		{ "\xed\xa0\x80", BAD BAD BAD },
		{ "\xf0\x8f\xbf\xbf", BAD BAD BAD BAD },
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD },
		{ "\xf5\x80\x80\x80", BAD BAD BAD BAD },
		{ "\xff", BAD },
		{ "\x80", BAD },
		{ "a\xc3", "a" BAD },
		{ "\xe2\x82", BAD BAD },
		{ "\xe2\x82z", BAD BAD "z" },
		{ "\xc3\xc3\xa4", BAD "\xc3\xa4" },
		{ "\xf0\x9f\x98", BAD BAD BAD },
	};
	char expected[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(expected, sizeof(expected), "\"%s\"", cases[i].expected);
		string_is(cases[i].text, strlen(cases[i].text), expected);
	}
}

/* The strict reader itself: it would be of no use if it took everything. */
static void test_reader(void **state)
{
	static const char *const good[] = { "0",   "-1.5e+3", "\"\\u00e4\"",
					    "[]",  "{}",      "[1, {\"a\": null}]",
					    "true" };
	static const char *const bad[] = { "",
					   "01",
					   "1.",
					   "-",
					   "+1",
					   "[1,]",
					   "{\"a\":1,}",
					   "{a:1}",
					   "\"\n\"",
					   "\"\\x\"",
					   "\"\xff\"",
					   "\"\xc0\x80\"",
					   "\"\xed\xa0\x80\"",
					   "\"",
					   "[1 2]",
					   "{\"a\"}",
					   "1 2",
					   "nul",
					   "[[]",
					   "'a'" };
	static const char text[] = "{\"a\":[10,{\"b\":\"c\"}],\"ab\":false}";
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(json_is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(json_is_valid(bad[i], strlen(bad[i])));
	assert_string_equal(json_find(text, strlen(text), "a.0", buffer, sizeof(buffer)), "10");
	assert_string_equal(json_find(text, strlen(text), "a.1", buffer, sizeof(buffer)),
			    "{\"b\":\"c\"}");
	assert_string_equal(json_find(text, strlen(text), "a.1.b", buffer, sizeof(buffer)),
			    "\"c\"");
	assert_string_equal(json_find(text, strlen(text), "ab", buffer, sizeof(buffer)), "false");
	assert_string_equal(json_find(text, strlen(text), "b", buffer, sizeof(buffer)), "");
	assert_string_equal(json_find(text, strlen(text), "a.2", buffer, sizeof(buffer)), "");
}

/* Every pair of bytes in a string is read by a strict reader. */
static void test_parses(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		const char text[2] = { (char)(pair >> 8), (char)(pair & 0xff) };
		char buffer[32];
		struct json json = { .at = buffer, .size = sizeof(buffer) };

		json_bytes(&json, NULL, text, sizeof(text));
		assert_false(json.truncated);
		assert_true(json_is_valid(buffer, json.length));
	}
}

/* With every size that is too small: nothing behind the buffer is written, and `truncated` says so.
 */
static void test_truncated(void **state)
{
	static const char whole[] = "{\"name\":\"a\\u0001\xc3\xa4\",\"n\":-12}";

	(void)state;
	for (size_t size = 0; size <= sizeof(whole); size++) {
		char buffer[64];
		struct json json = { .at = buffer, .size = size };

		memset(buffer, '#', sizeof(buffer));
		json_object_begin(&json, NULL);
		json_string(&json, "name", "a\x01\xc3\xa4");
		json_number(&json, "n", -12);
		json_object_end(&json);
		assert_int_equal(json.truncated, size < sizeof(whole) - 1);
		assert_true(json.length <= size);
		for (size_t i = json.length; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], '#');
		/* What is there is the beginning, and nothing follows the gap. */
		assert_memory_equal(buffer, whole, json.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_utf8),   cmocka_unit_test(test_reader),
		cmocka_unit_test(test_parses), cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
