/* Which tracked connections are ended, and which are nobody's business. */
#include "lib/util.h"
#include "netfw/flows.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

#define CLIENT "172.30.0.9"
#define CONTAINER "172.30.0.2"
#define GUEST "192.168.121.68"
#define BRIDGE "192.168.121.1"
#define GUEST6 "fd00::44"
#define PEER "10.5.5.2"
#define CONTAINER6 "fd30::2"

static struct plan plan;
static struct view view;
static struct plan_ports gone;
static struct flow_judge judge = { .plan = &plan, .gone = &gone, .view = &view, .removed = true };

static void own(const char *address, bool route)
{
	struct view_range range = { .route = route };

	range.range.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(range.range.family, address, range.range.bytes), 1);
	view.ranges[view.n_ranges++] = range;
}

static int make(void **state)
{
	static const struct netfw_forward forwards[] = {
		{ TCP, 3389, 3389, 3389, false },   { UDP, 3389, 3389, 3389, false },
		{ TCP, 13389, 13389, 3389, false }, { UDP, 500, 600, 500, false },
		{ UDP, 53, 53, 53, false },
	};
	static const struct netfw_rules rules = { .forwards = forwards,
						  .n_forwards = ARRAY_SIZE(forwards) };

	(void)state;
	inet_pton(AF_INET, GUEST, &judge.guest);
	inet_pton(AF_INET6, GUEST6, &judge.guest6);
	view.ranges = calloc(8, sizeof(*view.ranges));
	if (!view.ranges)
		return -1;
	own("10.0.0.0", true);
	own(CONTAINER, false);
	own(BRIDGE, false);
	own(CONTAINER6, false);
	own("::1", false);
	own(PEER, false);
	view.ranges[view.n_ranges - 1].peer = true;
	gone = (struct plan_ports){ 0 };
	plan_ports_add(&gone, &(struct plan_element){ .proto = TCP, .first = 80, .last = 80 });
	plan_ports_add(&gone, &(struct plan_element){ .proto = TCP, .first = 3389, .last = 3389 });
	plan_ports_add(&gone, &(struct plan_element){ .proto = UDP, .first = 601, .last = 13389 });
	return plan_make(&rules, &plan, NULL);
}

static int clear(void **state)
{
	(void)state;
	view_clear(&view);
	plan_clear(&plan);
	return 0;
}

static struct flow flow(uint8_t proto, const char *client, const char *asked, uint16_t asked_port,
			const char *answers, uint16_t answers_port, bool forwarded)
{
	struct flow made = { .family = strchr(client, ':') ? AF_INET6 : AF_INET,
			     .proto = proto,
			     .asked_port = asked_port,
			     .answers_port = answers_port,
			     .forwarded = forwarded };

	assert_int_equal(inet_pton(made.family, client, made.client.bytes), 1);
	assert_int_equal(inet_pton(made.family, asked, made.asked.bytes), 1);
	assert_int_equal(inet_pton(made.family, answers, made.answers.bytes), 1);
	return made;
}

/** forwarded() - A connection through a forward of @port to @guest. */
static bool forwarded(uint8_t proto, uint16_t port, uint16_t guest)
{
	struct flow made = flow(proto, CLIENT, CONTAINER, port, GUEST, guest, true);

	return flow_is_stale(&judge, &made);
}

static void test_forwarded(void **state)
{
	(void)state;
	assert_false(forwarded(TCP, 3389, 3389));
	assert_false(forwarded(TCP, 13389, 3389));
	assert_false(forwarded(UDP, 555, 555));
	/* Gone, of the other protocol, or leading elsewhere now. */
	assert_true(forwarded(TCP, 80, 80));
	assert_true(forwarded(UDP, 13389, 3389));
	assert_true(forwarded(TCP, 3389, 3390));
	assert_true(forwarded(UDP, 601, 601));
	/* Somebody else's forward to the guest: it was never ours. */
	assert_false(forwarded(TCP, 8443, 443));
	assert_false(forwarded(UDP, 600, 12));
	judge.removed = false;
	assert_false(forwarded(TCP, 80, 80));
	assert_false(forwarded(TCP, 3389, 3390));
	judge.removed = true;
}

/** unforwarded() - A connection to @asked that reaches just that. */
static bool unforwarded(uint8_t proto, const char *client, const char *asked, uint16_t port)
{
	struct flow made = flow(proto, client, asked, port, asked, port, false);

	return flow_is_stale(&judge, &made);
}

static void test_unforwarded(void **state)
{
	(void)state;
	for (int removed = 0; removed < 2; removed++) {
		judge.removed = removed;
		assert_true(unforwarded(UDP, CLIENT, CONTAINER, 3389));
		assert_true(unforwarded(UDP, CLIENT, CONTAINER, 599));
		assert_true(unforwarded(UDP, CONTAINER, "127.0.0.1", 3389));
		assert_true(unforwarded(UDP, GUEST, CONTAINER, 3389));
		assert_true(unforwarded(UDP, "fd30::9", CONTAINER6, 3389));
		/* Not forwarded now; TCP; the container's or the guest's own way to somebody else.
		 */
		assert_false(unforwarded(UDP, CLIENT, CONTAINER, 499));
		assert_false(unforwarded(TCP, CLIENT, CONTAINER, 3389));
		assert_false(unforwarded(UDP, CONTAINER, CLIENT, 3389));
		assert_false(unforwarded(UDP, GUEST, CLIENT, 3389));
		assert_false(unforwarded(UDP, GUEST, "10.0.0.0", 3389));
		assert_false(unforwarded(UDP, "fd30::9", "fd30::3", 3389));
		assert_false(unforwarded(UDP, CONTAINER, PEER, 3389));
		/* What the rules leave alone: ::1, the guest's DNS, and Docker's. */
		assert_false(unforwarded(UDP, "::1", "::1", 3389));
		assert_false(unforwarded(UDP, GUEST, BRIDGE, 53));
		assert_true(unforwarded(UDP, CLIENT, CONTAINER, 53));
		assert_false(unforwarded(UDP, CONTAINER, "127.0.0.11", 53));
	}
}

/** test_others() - Whoever else translates addresses is left alone. */
static void test_others(void **state)
{
	struct flow docker = flow(UDP, CONTAINER, "127.0.0.11", 53, "127.0.0.11", 40053, true);
	struct flow elsewhere = flow(TCP, CLIENT, CONTAINER, 8080, "172.30.0.5", 80, true);
	struct flow old_guest = flow(TCP, CLIENT, CONTAINER, 3389, "192.168.121.99", 3389, true);
	struct flow ping = flow(IPPROTO_ICMP, CLIENT, CONTAINER, 0, GUEST, 0, true);
	struct flow guest6 = flow(TCP, "fd30::9", CONTAINER6, 80, GUEST6, 80, true);

	(void)state;
	assert_false(flow_is_stale(&judge, &docker));
	assert_false(flow_is_stale(&judge, &elsewhere));
	assert_false(flow_is_stale(&judge, &ping));
	assert_true(flow_is_stale(&judge, &guest6));
	/* The guest had another address when it began. */
	assert_true(flow_is_stale(&judge, &old_guest));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forwarded),
		TEST(test_unforwarded),
		TEST(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
