/* The forwards parser: what is accepted, and the sentence for every mistake. */
#include "lib/forward.h"
#include "lib/strlist.h"
#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void collect(void *context, const char *message)
{
	assert_int_equal(strlist_add(context, message), 0);
}

/** render() - "tcp 3389->3389 udp 5000-5010->6000-6010", for comparison. */
static void render(const struct forward *forwards, size_t n, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char listen[12], guest[12];

		used += (size_t)snprintf(buffer + used, size - used, "%s%s %s->%s", i ? " " : "",
					 forward_proto_name(&forwards[i]),
					 forward_listen_text(&forwards[i], listen),
					 forward_guest_text(&forwards[i], guest));
		assert_true(used < size);
	}
}

static void good(const char *text, const char *expected)
{
	struct strlist messages = { 0 };
	struct forward *forwards = NULL;
	char rendered[512];
	size_t n = 99;

	assert_int_equal(forwards_parse(text, collect, &messages, &forwards, &n), 0);
	assert_int_equal(messages.n, 0);
	assert_non_null(forwards);
	render(forwards, n, rendered, sizeof(rendered));
	assert_string_equal(rendered, expected);
	free(forwards);
}

/** bad() - @expected: the messages, joined by line breaks. */
static void bad(const char *text, const char *expected)
{
	struct forward sentinel, *forwards = &sentinel;
	struct strlist messages = { 0 };
	char joined[2048] = "";
	size_t n = 99;

	assert_int_equal(forwards_parse(text, collect, &messages, &forwards, &n), -EINVAL);
	for (size_t i = 0; i < messages.n; i++) {
		if (i)
			strcat(joined, "\n");
		assert_true(strlen(joined) + strlen(messages.item[i]) + 2 < sizeof(joined));
		strcat(joined, messages.item[i]);
	}
	assert_string_equal(joined, expected);
	assert_ptr_equal(forwards, &sentinel);
	assert_int_equal(n, 99);
	strlist_clear(&messages);
}

static void test_good(void **state)
{
	(void)state;
	good("3389", "tcp 3389->3389 udp 3389->3389");
	good("3389/tcp", "tcp 3389->3389");
	good("13389:3389/tcp", "tcp 13389->3389");
	good("5000-5010/udp", "udp 5000-5010->5000-5010");
	good("5000-5010:6000-6010/udp", "udp 5000-5010->6000-6010");
	good("5000-5010:6000/udp", "udp 5000-5010->6000-6010");
	good("5000:6000-6000/udp", "udp 5000->6000");
	good("1-65535/tcp", "tcp 1-65535->1-65535");
	good("1/tcp 65535/tcp", "tcp 1->1 tcp 65535->65535");
	good("00080/tcp", "tcp 80->80");
	good("", "");
	good(" ,\t\n", "");
	good(" 5985/tcp,3389/tcp ,\n80/udp\t22/tcp,",
	     "tcp 22->22 tcp 3389->3389 tcp 5985->5985 udp 80->80");
	/* Neighbours are no conflict, nor is one port of two protocols. */
	good("10-19/tcp 20/tcp 21-30/tcp 20/udp",
	     "tcp 10-19->10-19 tcp 20->20 tcp 21-30->21-30 udp 20->20");
	/* Two ports may lead to one. */
	good("1000:80/tcp 1001:80/tcp", "tcp 1000->80 tcp 1001->80");
}

static void test_ports(void **state)
{
	(void)state;
	bad("0", "entry 1, \"0\": \"0\" is not a port; ports are 1 to 65535");
	bad("65536", "entry 1, \"65536\": \"65536\" is not a port; ports are 1 to 65535");
	bad("99999999999999999999/tcp",
	    "entry 1, \"99999999999999999999/tcp\": \"99999999999999999999\" is not a port; ports "
	    "are 1 to 65535");
	bad("1:0", "entry 1, \"1:0\": \"0\" is not a port; ports are 1 to 65535");
	bad("a:b", "entry 1, \"a:b\": \"a\" is not a port number");
	bad("1:b", "entry 1, \"1:b\": \"b\" is not a port number");
	bad("+1", "entry 1, \"+1\": \"+1\" is not a port number");
	bad("0x50", "entry 1, \"0x50\": \"0x50\" is not a port number");
	bad("1:2:3", "entry 1, \"1:2:3\": \"2:3\" is not a port number");
	bad(":80", "entry 1, \":80\": the listening port is missing");
	bad("80:", "entry 1, \"80:\": the guest port is missing");
	bad("/tcp", "entry 1, \"/tcp\": the listening port is missing");
	bad(":", "entry 1, \":\": the listening port is missing");
}

/** test_all() - Every port that nothing else names: it is in nobody's way, and stands alone. */
static void test_all(void **state)
{
	static const char *const mistakes[] = { "all:80",     "all:",	  "all-5",    "10-all",
						"80:all/tcp", "all:all",  "1-all:2",  "1:2-all",
						"all-all",    "-all/udp", ":all/tcp", "all-" };
	char expected[128];

	(void)state;
	good("all", "tcp all->all udp all->all");
	good("all/tcp", "tcp all->all");
	good("all/udp,all/tcp", "tcp all->all udp all->all");
	good("13389:3389/tcp all", "tcp 13389->3389 tcp all->all udp all->all");
	good("all 1/udp 1-65535/tcp", "tcp 1-65535->1-65535 tcp all->all udp 1->1 udp all->all");
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		snprintf(expected, sizeof(expected),
			 "entry 1, \"%s\": \"all\" stands alone: write all, all/tcp or all/udp",
			 mistakes[i]);
		bad(mistakes[i], expected);
	}
	bad("All", "entry 1, \"All\": \"All\" is not a port number");
	bad("alle", "entry 1, \"alle\": \"alle\" is not a port number");
	bad("all/",
	    "entry 1, \"all/\": the protocol is missing; append /tcp or /udp, or nothing for "
	    "both");
	bad("80/all",
	    "entry 1, \"80/all\": unknown protocol \"all\"; it is tcp or udp, or none for "
	    "both");
	bad("all 22 all", "entry 3, \"all\": every tcp port is forwarded already by entry 1, "
			  "\"all\"; a port leads to one place only");
	bad("all/tcp all/udp 1/tcp all/udp 1",
	    "entry 4, \"all/udp\": every udp port is forwarded already by entry 2, \"all/udp\"; a "
	    "port leads to one place only\n"
	    "entry 5, \"1\": tcp port 1 is forwarded already by entry 3, \"1/tcp\"; a port leads "
	    "to "
	    "one place only");
}

/** test_fields() - What the text of a forward does not show. */
static void test_fields(void **state)
{
	struct forward *forwards = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(forwards_parse("all/tcp 5:6 80/udp", NULL, NULL, &forwards, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(forwards[0].entry, 2);
	assert_false(forwards[0].all);
	assert_true(forwards[1].all);
	assert_int_equal(forwards[1].entry, 1);
	assert_int_equal(forwards[1].listen_first, 1);
	assert_int_equal(forwards[1].listen_last, 65535);
	assert_int_equal(forwards[1].guest_first, 1);
	assert_int_equal(forwards[2].proto, IPPROTO_UDP);
	assert_int_equal(forwards[2].entry, 2);
	assert_int_equal(forwards[3].entry, 3);
	free(forwards);
}

static void test_protocols(void **state)
{
	(void)state;
	bad("3389/sctp", "entry 1, \"3389/sctp\": unknown protocol \"sctp\"; it is tcp or udp, or "
			 "none for both");
	bad("3389/TCP",
	    "entry 1, \"3389/TCP\": unknown protocol \"TCP\"; it is tcp or udp, or none for both");
	bad("3389/tcp/udp", "entry 1, \"3389/tcp/udp\": unknown protocol \"tcp/udp\"; it is tcp or "
			    "udp, or none for both");
	bad("3389/", "entry 1, \"3389/\": the protocol is missing; append /tcp or /udp, or nothing "
		     "for both");
}

static void test_ranges(void **state)
{
	(void)state;
	bad("22/tcp, 80/tcp 10-5/udp", "entry 3, \"10-5/udp\": the range ends before it begins");
	bad("1-2:4-3", "entry 1, \"1-2:4-3\": the guest range ends before it begins");
	bad("-5", "entry 1, \"-5\": the first port of the listening range is missing");
	bad("5-", "entry 1, \"5-\": the last port of the listening range is missing");
	bad("-", "entry 1, \"-\": the first port of the listening range is missing");
	bad("1-2:5-", "entry 1, \"1-2:5-\": the last port of the guest range is missing");
	bad("1-2-3", "entry 1, \"1-2-3\": \"2-3\" is not a port number");
	bad("1-2:10-12", "entry 1, \"1-2:10-12\": 2 listening ports cannot lead to 3 guest ports; "
			 "make both ranges equally long");
	bad("7:10-12", "entry 1, \"7:10-12\": 1 listening port cannot lead to 3 guest ports; make "
		       "both ranges equally long");
	bad("5-7:10-10", "entry 1, \"5-7:10-10\": 3 listening ports cannot lead to 1 guest port; "
			 "make both ranges equally long");
	bad("1-10:65530",
	    "entry 1, \"1-10:65530\": the guest range would end at 65539; ports are 1 to 65535");
	good("1-6:65530/tcp", "tcp 1-6->65530-65535");
}

static void test_conflicts(void **state)
{
	(void)state;
	/* tcp and udp of the same two entries are one mistake. */
	bad("3389 3389", "entry 2, \"3389\": tcp port 3389 is forwarded already by entry 1, "
			 "\"3389\"; a port leads to one place only");
	bad("3389 80/tcp 3389:22/udp",
	    "entry 3, \"3389:22/udp\": udp port 3389 is forwarded already by entry 1, \"3389\"; a "
	    "port leads to one place only");
	/* The later entry is to blame even if it begins first. */
	bad("5/tcp 1-10/tcp", "entry 2, \"1-10/tcp\": tcp port 5 is forwarded already by entry 1, "
			      "\"5/tcp\"; a port leads to one place only");
	/* A range that reaches over a smaller one is not forgotten. */
	bad("1-100/tcp 10-20/tcp 50/tcp",
	    "entry 2, \"10-20/tcp\": tcp port 10 is forwarded already by entry 1, \"1-100/tcp\"; a "
	    "port leads to one place only\n"
	    "entry 3, \"50/tcp\": tcp port 50 is forwarded already by entry 1, \"1-100/tcp\"; a "
	    "port leads to one place only");
	bad("1-10/udp 10-20/udp 20/udp",
	    "entry 2, \"10-20/udp\": udp port 10 is forwarded already by entry 1, \"1-10/udp\"; a "
	    "port leads to one place only\n"
	    "entry 3, \"20/udp\": udp port 20 is forwarded already by entry 2, \"10-20/udp\"; a "
	    "port leads to one place only");
}

static void test_all_mistakes(void **state)
{
	(void)state;
	bad("0 3389 x/tcp 3389/tcp", "entry 1, \"0\": \"0\" is not a port; ports are 1 to 65535\n"
				     "entry 3, \"x/tcp\": \"x\" is not a port number\n"
				     "entry 4, \"3389/tcp\": tcp port 3389 is forwarded already by "
				     "entry 2, \"3389\"; a port leads to one place only");
}

static void test_quoting(void **state)
{
	(void)state;
	bad("\x1b[31m\xc3\xa9", "entry 1, \"?[31m??\": \"?[31m??\" is not a port number");
	bad("aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd",
	    "entry 1, \"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\": "
	    "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd\" is not a port number");
	bad("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX",
	    "entry 1, \"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\": "
	    "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\" is not a port number");
}

/**
 * test_thousand() - One bad among a thousand is named by its position; without a report function it
 * still fails.
 */
static void test_thousand(void **state)
{
	struct strlist messages = { 0 };
	struct forward *forwards = NULL;
	autofree char *text = NULL;
	size_t size, n;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	assert_non_null(file);
	for (unsigned i = 1; i <= 1000; i++)
		fprintf(file, i == 777 ? "70%u/tcp " : "%u/tcp ", i);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(forwards_parse(text, collect, &messages, &forwards, &n), -EINVAL);
	assert_int_equal(messages.n, 1);
	assert_string_equal(
		messages.item[0],
		"entry 777, \"70777/tcp\": \"70777\" is not a port; ports are 1 to 65535");
	assert_int_equal(forwards_parse(text, NULL, NULL, &forwards, &n), -EINVAL);
	assert_null(forwards);
	strlist_clear(&messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_ports),
		cmocka_unit_test(test_protocols), cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_conflicts), cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_quoting),	  cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_all),	  cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
