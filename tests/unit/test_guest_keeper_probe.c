/* Each kind of [health] probe in a whole keeper, on a fake libvirt and servers of the test's own on loopback. */
#include "keeper_scenes.h"

#include <poll.h>
#include <sys/socket.h>

static int listener = -1;
static struct sockaddr_in address;

static int set_up(void **state)
{
	socklen_t length = sizeof(address);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	return fixture_set_up(state) || bind(listener, (const struct sockaddr *)&address, length) || listen(listener, 64) ||
	       getsockname(listener, (struct sockaddr *)&address, &length);
}

static int tear_down(void **state)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
	return fixture_tear_down(state);
}

/* A guest that is probed like this, at the test's own port. */
static void configure(enum probe_kind kind)
{
	config.health.probe = (struct probe_choice){ .kind = kind, .port = ntohs(address.sin_port) };
	config.health.rdp_port = 1; /* where nobody listens: what is not to be probed must not be */
	config.health.rdp_interval = 50;
	plan.network = true;
	plan.netinfo.guest_address = address.sin_addr;
	strcpy(plan.netinfo.bridge, "lo");
}

static void start(void)
{
	begin();
	UNTIL(keeper.life == LIFE_BOOTING || keeper.life == LIFE_RUNNING);
}

/* What PID 1 was told last. */
#define TOLD(member) keeper.report.last.member

static void a_tcp_port(void **state)
{
	char expected[64];

	(void)state;
	configure(PROBE_BY_TCP);
	start();
	UNTIL(keeper.health.state == RDP_ANSWERING);
	assert_int_equal(keeper.life, LIFE_RUNNING); /* an answer is a sign of life */
	assert_int_equal(TOLD(probe_state), RDP_ANSWERING);
	snprintf(expected, sizeof(expected), "the guest runs; TCP port %u answers", ntohs(address.sin_port));
	assert_string_equal(TOLD(status), expected);
	assert_int_equal(TOLD(latency), 0); /* that is RDP's */
	close(listener);
	listener = -1;
	UNTIL(keeper.health.state == RDP_CLOSED);
	assert_int_equal(keeper.health.failures, config.health.rdp_failures);
	snprintf(expected, sizeof(expected), "the guest runs; TCP port %u does not answer", ntohs(address.sin_port));
	UNTIL(streq(TOLD(status), expected));
	assert_int_equal(keeper.life, LIFE_RUNNING);
}

static void a_guest_agent(void **state)
{
	(void)state;
	configure(PROBE_BY_AGENT);
	plan.network = false; /* it needs none */
	start();
	UNTIL(keeper.health.state == RDP_CLOSED);
	assert_int_equal(keeper.life, LIFE_BOOTING);
	assert_true(health_next(&keeper.health) == INT64_MAX); /* nobody asks: it will be told */
	fake_libvirt_agent_event(true);
	UNTIL(keeper.health.state == RDP_ANSWERING);
	assert_int_equal(keeper.life, LIFE_RUNNING);
	assert_string_equal(TOLD(status), "the guest runs; the guest agent is connected");
	assert_true(health_next(&keeper.health) == INT64_MAX);
	fake_libvirt_agent_event(false);
	UNTIL(keeper.health.state == RDP_CLOSED);
	assert_int_equal(keeper.health.failures, config.health.rdp_failures);
	assert_string_equal(TOLD(status), "the guest runs; the guest agent is not connected");
	fake_libvirt_agent_event(true);
	UNTIL(keeper.health.state == RDP_ANSWERING);
	/* Nothing was asked of libvirtd, or of the agent. */
	assert_string_equal(fake_libvirt_calls(), "open define create");
}

/* An agent that is restarted is none that is gone. */
static void an_agent_that_comes_back(void **state)
{
	(void)state;
	configure(PROBE_BY_AGENT);
	config.health.rdp_interval = 30000;
	boot();
	UNTIL(keeper.health.state == RDP_ANSWERING);
	fake_libvirt_agent_event(false);
	UNTIL(keeper.health.failures > 0);
	assert_int_equal(keeper.health.state, RDP_ANSWERING);
	fake_libvirt_agent_event(true);
	UNTIL(keeper.health.failures == 0);
	assert_int_equal(keeper.health.state, RDP_ANSWERING);
	/* The next boot begins without. */
	fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	UNTIL(keeper.health.state == RDP_CLOSED);
	assert_int_equal(keeper.life, LIFE_BOOTING);
}

/* What happened to the agent while libvirtd was away is seen when it is back. */
static void an_agent_that_goes_behind_our_back(void **state)
{
	(void)state;
	configure(PROBE_BY_AGENT);
	fake.agent = true;
	boot();
	UNTIL(keeper.health.state == RDP_ANSWERING);
	fake.reachable = false;
	fake_libvirt_hang_up();
	UNTIL(!keeper.linked);
	assert_int_equal(keeper.health.state, RDP_ANSWERING);
	fake.agent = false;
	fake.reachable = true;
	UNTIL(keeper.health.state == RDP_CLOSED);
	assert_true(keeper.linked);
}

static void nothing(void **state)
{
	(void)state;
	configure(PROBE_NOTHING);
	start();
	UNTIL(keeper.life == LIFE_RUNNING && TOLD(state) == GUEST_RUNNING);
	assert_string_equal(TOLD(status), "the guest runs");
	assert_int_equal(TOLD(probe_state), RDP_UNKNOWN);
	assert_false(probe_busy(&keeper.probe));
	assert_true(health_next(&keeper.health) == INT64_MAX);
	fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2 && keeper.life == LIFE_RUNNING);
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	UNTIL(keeper.life == LIFE_PAUSED);
	assert_int_equal(TOLD(state), GUEST_PAUSED);
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_RUNNING);
	assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 0), 0); /* nobody came by */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tcp_port),
		TEST(a_guest_agent),
		TEST(an_agent_that_comes_back),
		TEST(an_agent_that_goes_behind_our_back),
		TEST(nothing),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
