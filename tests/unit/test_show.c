/* The status for people: amounts and durations, aligned columns, and lines only where there is
 * something to say. */
#include "init/ctl/show.h"

#include "init/ctl/value.h"
#include "lib/util.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_amounts(void **state)
{
	static const struct {
		long long number;
		const char *packets, *bytes;
	} cases[] = {
		{ 0, "0", "0 " },
		{ 7, "7", "7 " },
		{ 999, "999", "999 " },
		{ 1000, "1.0k", "1.0 k" },
		{ 1234, "1.2k", "1.2 k" },
		{ 9949, "9.9k", "9.9 k" },
		{ 9951, "10k", "10 k" },
		{ 130000, "130k", "130 k" },
		{ 999499, "999k", "999 k" },
		{ 999500, "1.0M", "1.0 M" },
		{ 4500000, "4.5M", "4.5 M" },
		{ 1200000000, "1.2G", "1.2 G" },
		{ 5000000000000, "5.0T", "5.0 T" },
		{ 6000000000000000, "6.0P", "6.0 P" },
		{ LLONG_MAX, "9.2E", "9.2 E" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(amount(cases[i].number, "", buffer, sizeof(buffer)),
				    cases[i].packets);
		assert_string_equal(amount(cases[i].number, " ", buffer, sizeof(buffer)),
				    cases[i].bytes);
	}
}

static void test_durations(void **state)
{
	static const struct {
		long long ms;
		const char *text;
	} cases[] = {
		{ 0, "0 ms" },
		{ 999, "999 ms" },
		{ 1000, "1 s" },
		{ 59999, "59 s" },
		{ 60000, "1 min 0 s" },
		{ 3599999, "59 min 59 s" },
		{ 3600000, "1 h 0 min" },
		{ 86400000, "1 d 0 h" },
	};
	char buffer[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(duration(cases[i].ms, buffer, sizeof(buffer)), cases[i].text);
}

/* What is shown of a status with these members between the guest and the services. */
static void shows(const char *members, const char *expected)
{
	char json[4096], *text = NULL, *begin, *end;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	snprintf(json, sizeof(json),
		 "{\"version\":\"1\",\"state\":\"ready\",\"reason\":\"\",\"guest\":{\"state\":"
		 "\"running\",\"rdp\":\"open\",\"stop_phase\":\"none\"},%s\"services\":[]}",
		 members);
	assert_int_equal(show_status(out, json, false), 0);
	fclose(out);
	begin = strstr(text, "rdp        open\n");
	end = strstr(text, "\nSERVICE");
	assert_non_null(begin);
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(begin + strlen("rdp        open\n"), expected);
	free(text);
}

static void test_forwards(void **state)
{
	(void)state;
	shows("\"forwards\":[{\"proto\":\"tcp\",\"listen\":\"3389\",\"guest\":\"192.168.121.68:"
	      "3389\","
	      "\"packets_in\":1234,\"bytes_in\":130000,\"packets_out\":7,\"bytes_out\":999},"
	      "{\"proto\":\"udp\",\"listen\":\"5000-5010\",\"guest\":\"192.168.121.68:6000-6010\","
	      "\"packets_in\":0,\"bytes_in\":0,\"packets_out\":123456,\"bytes_out\":1200000000},"
	      "{\"proto\":\"tcp\",\"listen\":\"all\",\"guest\":\"192.168.121.68:all\"}],"
	      "\"forwards_omitted\":17,\"network\":{\"repairs\":0},",
	      "forwards   3389/tcp -> 192.168.121.68:3389             in 1.2k pkts 130 kB   out    "
	      "7 "
	      "pkts  999 B\n"
	      "           5000-5010/udp -> 192.168.121.68:6000-6010   in    0 pkts    0 B   out "
	      "123k "
	      "pkts 1.2 GB\n"
	      "           all/tcp -> 192.168.121.68:all               in    0 pkts    0 B   out    "
	      "0 "
	      "pkts    0 B\n"
	      "           and 17 more\n");
	shows("\"forwards\":[],\"network\":{\"repairs\":0},", "");
	shows("\"forwards\":[],\"forwards_omitted\":2,", "forwards   and 2 more\n");
	shows("", "");
}

static void test_repairs(void **state)
{
	(void)state;
	shows("\"network\":{\"repairs\":1},",
	      "repairs    1 change of the rules by others put right\n");
	shows("\"network\":{\"repairs\":3},",
	      "repairs    3 changes of the rules by others put right\n");
}

static void test_reload(void **state)
{
	(void)state;
	shows("\"reload\":{\"result\":\"none\",\"reason\":\"\",\"since_ms\":5},", "");
	shows("\"reload\":{\"result\":\"running\",\"reason\":\"\",\"since_ms\":5},",
	      "reload     running for 5 ms\n");
	shows("\"reload\":{\"result\":\"ok\",\"reason\":\"\",\"since_ms\":12500},",
	      "reload     ok 12 s ago\n");
	shows("\"reload\":{\"result\":\"failed\",\"reason\":\"entry 3 is "
	      "none\",\"since_ms\":3000},",
	      "reload     failed 3 s ago: entry 3 is none\n");
}

/* What is shown of the probe's line: that of the guest's readiness, whatever shows that. */
static void shows_probe(const char *members, const char *expected)
{
	char json[1024], *text = NULL, *line, *end;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	snprintf(json, sizeof(json),
		 "{\"version\":\"1\",\"state\":\"ready\",\"reason\":\"\",\"guest\":{\"state\":"
		 "\"running\",%s\"rdp_latency_us\":4200,\"stop_phase\":\"none\"},\"services\":[]}",
		 members);
	assert_int_equal(show_status(out, json, false), 0);
	fclose(out);
	line = strchr(strstr(text, "\nguest ") + 1, '\n') + 1;
	end = strchr(line, '\n');
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(line, expected);
	free(text);
}

static void test_probe(void **state)
{
	(void)state;
	shows_probe("\"rdp\":\"answering\",", "rdp        answering in 4.2 ms");
	shows_probe("\"rdp\":\"closed\",\"probe\":\"rdp\",\"probe_state\":\"closed\",",
		    "rdp        closed");
	shows_probe("\"rdp\":\"unknown\",\"probe\":\"tcp:65535\",\"probe_state\":\"answering\",",
		    "tcp:65535  answering");
	shows_probe("\"rdp\":\"unknown\",\"probe\":\"agent\",\"probe_state\":\"closed\",",
		    "agent      closed");
	shows_probe("\"rdp\":\"unknown\",\"probe\":\"none\",\"probe_state\":\"unknown\",", "");
}

/* What is shown of a guest with these members, down to the services. */
static void shows_guest(const char *members, const char *expected)
{
	char json[1024], *text = NULL, *begin, *end;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	snprintf(json, sizeof(json),
		 "{\"version\":\"1\",\"state\":\"ready\",\"reason\":\"\",\"guest\":{\"state\":"
		 "\"running\",\"reason\":\"\",\"pid\":78,\"boots\":1,\"since_ms\":3000,"
		 "\"probe\":\"none\",%s\"stop_phase\":\"none\"},\"services\":[]}",
		 members);
	assert_int_equal(show_status(out, json, false), 0);
	fclose(out);
	begin = strstr(text, "\nguest ") + 1;
	end = strstr(text, "\nSERVICE");
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(begin, expected);
	free(text);
}

#define UP "guest      running for 3 s, QEMU pid 78, boot 1"

static void test_how_it_came_up(void **state)
{
	(void)state;
	shows_guest("", UP "\n"); /* an older casement */
	shows_guest("\"start\":\"unknown\",\"start_reason\":\"\",", UP "\n");
	shows_guest("\"start\":\"cold\",\"start_reason\":\"\",", UP "\n");
	shows_guest("\"start\":\"resumed\",\"start_reason\":\"\",", UP ", resumed\n");
	shows_guest("\"start\":\"warm\",\"start_reason\":\"\",", UP ", warm\n");
	shows_guest("\"start\":\"cold\",\"start_reason\":\"its checksum is another one\",",
		    UP ", cold: its checksum is another one\n");
}

static void test_freeze(void **state)
{
	(void)state;
	shows_guest("\"freeze\":\"none\",\"freeze_reason\":\"\",", UP "\n");
	shows_guest("\"freeze\":\"running\",\"freeze_reason\":\"\",", UP "\nfreeze     running\n");
	shows_guest("\"freeze\":\"failed\",\"freeze_reason\":\"libvirtd is busy\",",
		    UP "\nfreeze     failed: libvirtd is busy\n");
}

static void test_no_status(void **state)
{
	FILE *out = fopen("/dev/null", "we");

	(void)state;
	assert_non_null(out);
	assert_int_equal(show_status(out, "fail too many clients\n", false), -EBADMSG);
	assert_int_equal(show_status(out, "{}", false), -EBADMSG);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amounts),	       cmocka_unit_test(test_durations),
		cmocka_unit_test(test_forwards),       cmocka_unit_test(test_repairs),
		cmocka_unit_test(test_reload),	       cmocka_unit_test(test_probe),
		cmocka_unit_test(test_how_it_came_up), cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_no_status),
	};

	return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
