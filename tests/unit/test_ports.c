/* The parser of lists of ports. What it shares with that of forwards is test_forward.c's. */
#include "lib/ports.h"
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

/** good() - @expected: "tcp 22 udp 5000-5010". */
static void good(const char *text, const char *expected)
{
	struct strlist messages = { 0 };
	struct forward *ports = NULL;
	char rendered[512] = "", listen[12];
	size_t n = 99, used = 0;

	assert_int_equal(ports_parse(text, collect, &messages, &ports, &n), 0);
	assert_int_equal(messages.n, 0);
	assert_non_null(ports);
	for (size_t i = 0; i < n; i++) {
		used += (size_t)snprintf(rendered + used, sizeof(rendered) - used, "%s%s %s",
					 i ? " " : "", forward_proto_name(&ports[i]),
					 forward_listen_text(&ports[i], listen));
		assert_true(used < sizeof(rendered));
		assert_int_equal(ports[i].guest_first, ports[i].listen_first);
		assert_false(ports[i].all);
	}
	assert_string_equal(rendered, expected);
	free(ports);
}

/** bad() - @expected: the messages, each with a line break behind it. */
static void bad(const char *text, const char *expected)
{
	struct forward sentinel, *ports = &sentinel;
	struct strlist messages = { 0 };
	char joined[2048] = "";
	size_t n = 99;

	assert_int_equal(ports_parse(text, collect, &messages, &ports, &n), -EINVAL);
	for (size_t i = 0; i < messages.n; i++) {
		assert_true(strlen(joined) + strlen(messages.item[i]) + 2 < sizeof(joined));
		strcat(joined, messages.item[i]);
		strcat(joined, "\n");
	}
	assert_string_equal(joined, expected);
	assert_int_equal(ports_parse(text, NULL, NULL, &ports, &n), -EINVAL);
	assert_ptr_equal(ports, &sentinel);
	assert_int_equal(n, 99);
	strlist_clear(&messages);
}

static void test_good(void **state)
{
	(void)state;
	good("", "");
	good(" , ", "");
	good("22", "tcp 22 udp 22");
	good("22/tcp", "tcp 22");
	good("5000-5010/udp", "udp 5000-5010");
	good("1-65535", "tcp 1-65535 udp 1-65535");
	good("65535/udp,1/udp 443/tcp\t22/tcp", "tcp 22 tcp 443 udp 1 udp 65535");
}

static void test_overlaps(void **state)
{
	(void)state;
	good("22 22/tcp", "tcp 22 udp 22");
	good("10-20/tcp 15-30/tcp 5-10/tcp", "tcp 5-30");
	good("1-100/tcp 10-20/tcp 50/tcp 102/tcp", "tcp 1-100 tcp 102");
	good("1-9/tcp 10-19/tcp 20/udp", "tcp 1-19 udp 20");
	good("60000-65535/tcp 1-65535/tcp 65535/tcp", "tcp 1-65535");
}

static void test_entries(void **state)
{
	struct forward *ports = NULL;
	size_t n;

	(void)state;
	assert_int_equal(ports_parse("80/tcp 20-30 25-40/tcp", NULL, NULL, &ports, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ports[0].listen_last, 40);
	assert_int_equal(ports[0].entry, 2);
	assert_int_equal(ports[1].entry, 1);
	assert_int_equal(ports[2].proto, IPPROTO_UDP);
	assert_int_equal(ports[2].entry, 2);
	free(ports);
}

static void test_bad(void **state)
{
	(void)state;
	bad("0", "entry 1, \"0\": \"0\" is not a port; ports are 1 to 65535\n");
	bad("ssh", "entry 1, \"ssh\": \"ssh\" is not a port number\n");
	bad("all", "entry 1, \"all\": \"all\" is not a port number\n");
	bad("/tcp", "entry 1, \"/tcp\": the port is missing\n");
	bad("-5", "entry 1, \"-5\": the first port of the range is missing\n");
	bad("5-", "entry 1, \"5-\": the last port of the range is missing\n");
	bad("22, 5-4/udp", "entry 2, \"5-4/udp\": the range ends before it begins\n");
	bad("22/", "entry 1, \"22/\": the protocol is missing; append /tcp or /udp, or nothing for "
		   "both\n");
	bad("22/sctp",
	    "entry 1, \"22/sctp\": unknown protocol \"sctp\"; it is tcp or udp, or none for "
	    "both\n");
	bad("22:80", "entry 1, \"22:80\": this list has no guest ports: leave the colon and what "
		     "follows it out\n");
	bad("22 x 23 0/tcp :", "entry 2, \"x\": \"x\" is not a port number\n"
			       "entry 4, \"0/tcp\": \"0\" is not a port; ports are 1 to 65535\n"
			       "entry 5, \":\": this list has no guest ports: leave the colon and "
			       "what follows it out\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
