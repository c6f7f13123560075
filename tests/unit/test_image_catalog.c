/* Catalogues, versions and checksums of boxes. */
#include "image/catalog.h"
#include "image/version.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>

#define BOX(name, url) "{\"name\":\"" name "\",\"url\":\"" url "\"}"
#define VERSION(version, providers) "{\"version\":\"" version "\",\"providers\":[" providers "]}"

static void compares_versions(void **state)
{
	/* From old to new. */
	static const char *const order[] = { "0.9.10", "1.0.0.alpha2", "1.0.0.beta", "1.0.0.beta2", "1.0.0.rc1",
					     "1.0.0",  "1.0.1",	       "1.2",	     "1.10",	    "10",
					     "2025.9", "20240101.0001", "99999999999999999999999" };

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(order); a++) {
		for (size_t b = 0; b < ARRAY_SIZE(order); b++) {
			int result = version_compare(order[a], order[b]);

			if ((a < b) != (result < 0) || (a > b) != (result > 0))
				fail_msg("%s and %s: %d", order[a], order[b], result);
		}
	}
	assert_int_equal(version_compare("1.0", "1.0.0"), 0);
	assert_int_equal(version_compare("v1", "v01"), 0);
	assert_int_equal(version_compare("", "0"), 0);
	assert_int_equal(version_compare("..-", ""), 0);
}

static int choose(const char *text, const char *version, struct catalog_choice *choice, struct failure *failure)
{
	return catalog_choose(text, strlen(text), version, "the catalogue", choice, failure);
}

static void expect_url(const char *text, const char *version, const char *url)
{
	struct catalog_choice choice;
	struct failure failure = { .text = "" };

	if (choose(text, version, &choice, &failure))
		fail_msg("%s", failure.text);
	assert_string_equal(choice.url, url);
}

static void expect_refusal(const char *text, const char *version, const char *part)
{
	struct catalog_choice choice;
	struct failure failure = { .text = "" };

	assert_int_equal(choose(text, version, &choice, &failure), -EINVAL);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
}

static void chooses_a_version(void **state)
{
	static const char catalog[] =
		"{\"versions\":[" VERSION("1.9", BOX("libvirt", "u19")) "," VERSION("1.10", BOX("virtualbox", "v") "," BOX("libvirt", "u110"))
		"," VERSION("2.0", BOX("virtualbox", "v20")) ",{\"version\":\"1.11\",\"status\":\"revoked\",\"providers\":[" BOX("libvirt", "r") "]}]}";

	(void)state;
	/* The newest that there is for libvirt. */
	expect_url(catalog, NULL, "u110");
	expect_url(catalog, "1.9", "u19");
	expect_url(catalog, "1.9.0", "u19");
	expect_refusal(catalog, "2.0", "is not there for libvirt and this processor; it is for: virtualbox");
	expect_refusal(catalog, "3", "there is no version 3; there are: 1.9, 1.10, 2.0, 1.11");
	expect_refusal(catalog, "1.11", "there is no version 1.11");
}

static void knows_processors(void **state)
{
	(void)state;
	expect_url("{\"versions\":[{\"version\":\"1\",\"providers\":[{\"name\":\"libvirt\",\"url\":\"a\",\"architecture\":\"arm64\"},"
		   "{\"name\":\"libvirt\",\"url\":\"u\",\"architecture\":\"unknown\"},"
		   "{\"name\":\"libvirt\",\"url\":\"x\",\"architecture\":\"amd64\"}]}]}",
		   NULL, "x");
	expect_refusal("{\"versions\":[{\"version\":\"1\",\"providers\":[{\"name\":\"libvirt\",\"url\":\"a\",\"architecture\":\"arm64\"}]}]}",
		       NULL, "no version of this box is for libvirt and this processor");
}

static void refuses_damage(void **state)
{
	char text[8192];

	(void)state;
	expect_refusal("", NULL, "is not JSON");
	expect_refusal("{}", NULL, "lists no versions");
	expect_refusal("[]", NULL, "lists no versions");
	expect_refusal("{\"versions\":{}}", NULL, "lists no versions");
	expect_refusal("{\"versions\":[]}", NULL, "no version of this box");
	expect_refusal("{\"versions\":[7,{\"version\":7},{\"version\":\"1\",\"providers\":7}]}", NULL, "no version of this box");
	expect_refusal("{\"versions\":[" VERSION("1", BOX("libvirt", "")) "]}", NULL, "is not usable");
	snprintf(text, sizeof(text), "{\"versions\":[" VERSION("1", BOX("libvirt", "%05000d")) "]}", 0);
	expect_refusal(text, NULL, "is not usable");
}

static bool is(const char *type, const char *wanted, const char *text)
{
	struct checksum *checksum;
	char hex[CHECKSUM_MAX_HEX];
	bool matches;

	assert_int_equal(checksum_new(type, wanted, &checksum), 0);
	checksum_add(checksum, "noise", 5);
	checksum_restart(checksum);
	for (size_t i = 0; i < strlen(text); i++)
		checksum_add(checksum, text + i, 1);
	matches = checksum_matches(checksum, hex);
	assert_int_equal(strlen(hex), strlen(wanted));
	checksum_free(checksum);
	return matches;
}

static void computes_checksums(void **state)
{
	struct checksum *checksum;

	(void)state;
	/* Of "abc": RFC 1321, FIPS 180-4. */
	assert_true(is("md5", "900150983cd24fb0d6963f7d28e17f72", "abc"));
	assert_true(is("SHA-1", "A9993E364706816ABA3E25717850C26C9CD0D89D", "abc"));
	assert_true(is("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abc"));
	assert_true(is("sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
				 "8086072ba1e7cc2358baeca134c825a7", "abc"));
	assert_true(is("sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
				 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", "abc"));
	assert_false(is("md5", "900150983cd24fb0d6963f7d28e17f73", "abc"));
	assert_int_equal(checksum_new("crc32", "900150983cd24fb0d6963f7d28e17f72", &checksum), -ENOTSUP);
	assert_int_equal(checksum_new("md5", "900150983cd24fb0d6963f7d28e17f7", &checksum), -EINVAL);
	assert_int_equal(checksum_new("md5", "900150983cd24fb0d6963f7d28e17f7g", &checksum), -EINVAL);
	assert_int_equal(checksum_new("sha1", "900150983cd24fb0d6963f7d28e17f72", &checksum), -EINVAL);
}

static void takes_over_checksums(void **state)
{
	struct catalog_choice choice;
	struct failure failure;

	(void)state;
	assert_int_equal(choose("{\"versions\":[{\"version\":\"1\",\"providers\":[{\"name\":\"libvirt\",\"url\":\"u\","
				"\"checksum_type\":\"sha256\",\"checksum\":\"abc\"}]}]}", NULL, &choice, &failure), 0);
	assert_string_equal(choice.checksum_type, "sha256");
	assert_string_equal(choice.checksum, "abc");
	/* A type without a checksum is none. */
	assert_int_equal(choose("{\"versions\":[{\"version\":\"1\",\"providers\":[{\"name\":\"libvirt\",\"url\":\"u\","
				"\"checksum_type\":\"sha256\",\"checksum\":null}]}]}", NULL, &choice, &failure), 0);
	assert_string_equal(choice.checksum_type, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_versions),  cmocka_unit_test(chooses_a_version),    cmocka_unit_test(knows_processors),
		cmocka_unit_test(refuses_damage),     cmocka_unit_test(computes_checksums), cmocka_unit_test(takes_over_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
