/* Addresses, paths and lists: each good form with what it means, each bad form with its reason. */
#include "lib/value.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What a function says about a text: the reason, or that it is fine. */
static const char *said(const char *reason)
{
	return reason ? reason : "(accepted)";
}

#define REFUSED(call, expected) assert_string_equal(said(call), expected)
#define TAKEN(call) assert_string_equal(said(call), "(accepted)")

static void test_address(void **state)
{
	static const char *const bad[] = { "",	       "1.2.3", "1.2.3.4.5", "256.1.1.1",
					   "1.2.3.4 ", "::1",	"localhost", "01.2.3.4" };
	struct in_addr address = { .s_addr = 7 };

	(void)state;
	TAKEN(value_address("192.168.121.68", &address));
	assert_int_equal(ntohl(address.s_addr), 0xc0a87944);
	TAKEN(value_address("0.0.0.0", &address));
	assert_int_equal(address.s_addr, 0);
	address.s_addr = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_address(bad[i], &address), "is not an IPv4 address");
		assert_int_equal(address.s_addr, 7);
	}
}

static void good_subnet(const char *text, bool fixed, uint32_t address, uint8_t prefix)
{
	struct subnet subnet = { 0 };

	TAKEN(value_subnet(text, &subnet));
	assert_int_equal(subnet.fixed, fixed);
	assert_int_equal(ntohl(subnet.address.s_addr), address);
	assert_int_equal(subnet.prefix, prefix);
}

static void test_subnet(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "Auto", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "192.168.121.0", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "/24", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "192.168.121/24", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "fd00::/64", "is neither auto nor a subnet such as 192.168.121.0/24" },
		{ "10.0.0.0/", "has no prefix length from /8 to /29" },
		{ "10.0.0.0/7", "has no prefix length from /8 to /29" },
		{ "10.0.0.0/30", "has no prefix length from /8 to /29" },
		{ "10.0.0.0/255.0.0.0", "has no prefix length from /8 to /29" },
		{ "10.0.0.0/-8", "has no prefix length from /8 to /29" },
		{ "10.0.0.1/24", "has bits set behind its prefix: give the network's own address" },
		{ "10.1.0.0/8", "has bits set behind its prefix: give the network's own address" },
		{ "10.0.0.4/29", "has bits set behind its prefix: give the network's own address" },
	};
	struct subnet subnet = { .prefix = 7 };

	(void)state;
	good_subnet("auto", false, 0xc0a87900, 24);
	good_subnet("10.0.0.0/8", true, 0x0a000000, 8);
	good_subnet("10.0.0.8/29", true, 0x0a000008, 29);
	good_subnet("192.168.7.0/24", true, 0xc0a80700, 24);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		REFUSED(value_subnet(bad[i].text, &subnet), bad[i].reason);
		assert_int_equal(subnet.prefix, 7);
	}
}

static void test_mac(void **state)
{
	static const uint8_t expected[6] = { 0x52, 0x54, 0x00, 0xca, 0xFE, 0x01 };
	static const uint8_t before[6] = { 1, 2, 3, 4, 5, 6 };
	static const char *const bad[] = {
		"",
		"52:54:00:ca:fe",
		"52:54:00:ca:fe:1",
		"52-54-00-ca-fe-01",
		"52:54:00:ca:fe:01 ",
		"525400cafe01",
		"52:54:00:ca:fe:0g",
		"52:54:00:ca:fe:01:02",
		"52:54:00:ca:fe: 1",
		"52:54:00:ca:fe.01",
		" 2:54:00:ca:fe:01",
	};
	uint8_t mac[6];

	(void)state;
	TAKEN(value_mac("52:54:00:ca:FE:01", mac));
	assert_memory_equal(mac, expected, sizeof(mac));
	memcpy(mac, before, sizeof(mac));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		REFUSED(value_mac(bad[i], mac),
			"is not an Ethernet address such as 52:54:00:12:34:56");
	REFUSED(value_mac("01:00:5e:00:00:01", mac),
		"is a multicast address: the first byte must be even");
	REFUSED(value_mac("ff:ff:ff:ff:ff:ff", mac),
		"is a multicast address: the first byte must be even");
	assert_memory_equal(mac, before, sizeof(mac));
}

static void test_path(void **state)
{
	(void)state;
	TAKEN(value_path("/"));
	TAKEN(value_path("/storage/a b.qcow2"));
	REFUSED(value_path(""), "is not an absolute path");
	REFUSED(value_path("storage/windows.qcow2"), "is not an absolute path");
	REFUSED(value_path(" /storage"), "is not an absolute path");
}

/* The words of a list, each in brackets. */
static const char *brackets(const struct strlist *list, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < list->n; i++)
		used += (size_t)snprintf(buffer + used, size - used, "[%s]", list->item[i]);
	assert_true(used < size);
	if (list->n)
		assert_null(list->item[list->n]);
	return buffer;
}

static void test_words(void **state)
{
	struct strlist list = { 0 };
	char text[128];

	(void)state;
	TAKEN(value_words("", &list));
	TAKEN(value_words(" \t, ", &list));
	assert_int_equal(list.n, 0);
	TAKEN(value_words("one", &list));
	TAKEN(value_words(" two,three,, four\t'five' ", &list));
	assert_string_equal(brackets(&list, text, sizeof(text)), "[one][two][three][four]['five']");
	strlist_clear(&list);
	assert_int_equal(list.n, 0);
	assert_null(list.item);
}

static void good_command(const char *text, const char *expected)
{
	struct strlist list = { 0 };
	char rendered[256];

	TAKEN(value_command(text, &list));
	assert_string_equal(brackets(&list, rendered, sizeof(rendered)), expected);
	strlist_clear(&list);
}

static void bad_command(const char *text, const char *expected)
{
	struct strlist list = { 0 };

	REFUSED(value_command(text, &list), expected);
	strlist_clear(&list);
}

static void test_command(void **state)
{
	(void)state;
	good_command("/bin/true", "[/bin/true]");
	good_command("  a  b\tc  ", "[a][b][c]");
	good_command("sh -c 'echo \"$HOME\" \\ here'", "[sh][-c][echo \"$HOME\" \\ here]");
	good_command("a \"b 'c' d\" e", "[a][b 'c' d][e]");
	good_command("a\\ b c\\\\d \\\"e", "[a b][c\\d][\"e]");
	good_command("\"a\\\"b\"", "[a\"b]");
	good_command("a'b'\"c\"d", "[abcd]");
	good_command("a '' \"\"", "[a][][]");
	good_command("a,b; $c `d` *", "[a,b;][$c][`d`][*]");
	bad_command("", "is empty");
	bad_command(" \t ", "is empty");
	bad_command("a 'b", "has an unclosed quote");
	bad_command("a \"b", "has an unclosed quote");
	bad_command("a \"b\\\"", "has an unclosed quote");
	bad_command("a b\\", "ends with a lone backslash");
	bad_command("a \"b\\", "ends with a lone backslash");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address), cmocka_unit_test(test_subnet),
		cmocka_unit_test(test_mac),	cmocka_unit_test(test_path),
		cmocka_unit_test(test_words),	cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests_name("value_text", tests, NULL, NULL);
}
