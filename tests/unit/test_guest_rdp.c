/* The RDP probe's bytes: what is sent, and what is taken for an answer. */
#include "init/guest/rdp.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>

/* [MS-RDPBCGR] 4.1.1 and 4.1.2, without the cookie, and with what this client offers. */
static const uint8_t request[] = { 0x03, 0, 0, 0x13, 0x0e, 0xe0, 0, 0, 0, 0, 0, 0x01, 0, 0x08, 0, 0x03, 0, 0, 0 };
static const uint8_t confirm[] = { 0x03, 0, 0, 0x13, 0x0e, 0xd0, 0, 0, 0x12, 0x34, 0, 0x02, 0, 0x08, 0, 0x02, 0, 0, 0 };
static const uint8_t failure[] = { 0x03, 0, 0, 0x13, 0x0e, 0xd0, 0, 0, 0x12, 0x34, 0, 0x03, 0, 0x08, 0, 0x05, 0, 0, 0 };
static const uint8_t plain[] = { 0x03, 0, 0, 0x0b, 0x06, 0xd0, 0, 0, 0x12, 0x34, 0 };

static int parse(const uint8_t *bytes, size_t n)
{
	struct rdp_confirm got = { .value = 0x5a5a5a5a };
	int result = rdp_parse(bytes, n, &got);

	/* Untouched unless it is an answer. */
	if (result)
		assert_int_equal(got.value, 0x5a5a5a5a);
	return result;
}

static void asks_as_the_document_says(void **state)
{
	uint8_t bytes[RDP_REQUEST_SIZE];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	rdp_request(bytes);
	assert_memory_equal(bytes, request, sizeof(request));
}

static void takes_every_kind_of_answer(void **state)
{
	struct rdp_confirm got;

	(void)state;
	assert_int_equal(rdp_parse(confirm, sizeof(confirm), &got), 0);
	assert_int_equal(got.answer, RDP_ANSWER_SELECTED);
	assert_int_equal(got.value, 2);
	assert_int_equal(rdp_parse(failure, sizeof(failure), &got), 0);
	assert_int_equal(got.answer, RDP_ANSWER_REFUSED);
	assert_int_equal(got.value, 5);
	assert_int_equal(rdp_parse(plain, sizeof(plain), &got), 0);
	assert_int_equal(got.answer, RDP_ANSWER_PLAIN);
}

static void waits_for_the_rest(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(confirm); n++)
		assert_int_equal(parse(confirm, n), -EAGAIN);
	for (size_t n = 0; n < sizeof(plain); n++)
		assert_int_equal(parse(plain, n), -EAGAIN);
}

static void takes_nothing_behind_it(void **state)
{
	uint8_t longer[sizeof(confirm) + 1] = { 0 };

	(void)state;
	memcpy(longer, confirm, sizeof(confirm));
	assert_int_equal(parse(longer, sizeof(longer)), -EBADMSG);
	memset(longer, 0, sizeof(longer));
	memcpy(longer, plain, sizeof(plain));
	assert_int_equal(parse(longer, sizeof(plain) + 1), -EBADMSG);
}

/* Every byte of the answer, with every value: exactly those that the document leaves open may differ. */
static void every_byte_counts(void **state)
{
	(void)state;
	for (size_t at = 0; at < sizeof(confirm); at++) {
		for (unsigned value = 0; value < 256; value++) {
			uint8_t bytes[sizeof(confirm)];
			bool open = at == 8 || at == 9 || at == 12; /* the server's reference, flags */
			bool fits = value == confirm[at] || open;
			int result;

			memcpy(bytes, confirm, sizeof(bytes));
			bytes[at] = (uint8_t)value;
			fits = fits || (at == 10 && value < 16);             /* options of class 0 */
			fits = fits || (at == 11 && value == 3);             /* a failure, of code 2 */
			fits = fits || (at == 15 && (value == 0 || value == 1)); /* what else was offered */
			result = parse(bytes, sizeof(bytes));
			if (result != (fits ? 0 : -EBADMSG))
				fail_msg("byte %zu = %02x: %d", at, value, result);
			/* A wrong header is known at once. */
			if (!fits && at < 11 && at != 3)
				assert_int_equal(parse(bytes, at + 1), -EBADMSG);
		}
	}
}

static void failure_codes_exist(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		uint8_t bytes[sizeof(failure)];

		memcpy(bytes, failure, sizeof(bytes));
		bytes[15] = (uint8_t)code;
		assert_int_equal(parse(bytes, sizeof(bytes)), code >= 1 && code <= 6 ? 0 : -EBADMSG);
	}
}

static void other_servers_are_known_by_their_first_byte(void **state)
{
	const char *others[] = { "SSH-2.0-OpenSSH", "HTTP/1.1 400", "220 mail", "\x16\x03\x01", "\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(parse((const uint8_t *)others[i], 1), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_as_the_document_says),
		cmocka_unit_test(takes_every_kind_of_answer),
		cmocka_unit_test(waits_for_the_rest),
		cmocka_unit_test(takes_nothing_behind_it),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(failure_codes_exist),
		cmocka_unit_test(other_servers_are_known_by_their_first_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
