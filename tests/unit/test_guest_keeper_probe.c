/*
 * What a whole keeper looks after while its guest runs, on a fake libvirt: each kind of [health] probe, with servers of the
 * test's own on loopback, and the room for the guest's disk.
 */
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

/* As QEMU and libvirt do it. */
static void fill_up(void)
{
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_IOERROR;
	fake.disk_full = true;
	fake_libvirt_disk_event("enospc");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.life == LIFE_PAUSED);
	UNTIL(keeper.room.waiting);
}

static void goes_on(void)
{
	fake.state = VIR_DOMAIN_RUNNING;
	fake.disk_full = false;
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_RUNNING);
}

/* Have the keeper look now, and wait until it has. */
static void look(void)
{
	keeper.room.next = 0;
	keeper_settle(&keeper);
	UNTIL(keeper.room.next != 0 && !keeper.worker.busy && keeper.wanted == VIRT_NOTHING);
}

static void a_full_disk_is_waited_for(void **state)
{
	(void)state;
	boot();
	fake.room = (64 << 20) - 4096;
	fill_up();
	look();
	look();
	assert_null(strstr(fake_libvirt_calls(), "resume"));
	assert_int_equal(keeper.room.pause, 4000);
	assert_int_equal(keeper.life, LIFE_PAUSED);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
	fake.room += 4096;
	look();
	assert_non_null(strstr(fake_libvirt_calls(), "resume"));
	goes_on();
	UNTIL(!keeper.room.waiting);
	assert_true(keeper_room_next(&keeper) == INT64_MAX);
	assert_string_equal(keeper.pause_reason, "");
	/* At once again: the next attempt comes later. */
	fill_up();
	assert_int_equal(keeper.room.pause, 8000);
}

/* The disk's own words came before the news that the guest went on. */
static void a_full_disk_whose_words_came_too_early(void **state)
{
	(void)state;
	boot();
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_IOERROR;
	fake.disk_full = true;
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.room.waiting);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
}

static void who_paused_it_otherwise_resumes_it(void **state)
{
	(void)state;
	boot();
	fake.room = 1 << 30;
	fill_up();
	fake.reason = VIR_DOMAIN_PAUSED_USER;
	look();
	fake.reason = VIR_DOMAIN_PAUSED_IOERROR;
	fake.disk_full = false; /* broken, not full */
	look();
	assert_null(strstr(fake_libvirt_calls(), "resume"));
}

/* Nobody knows how much room there is: it is tried, less and less often. */
static void a_disk_that_is_no_file(void **state)
{
	(void)state;
	boot();
	fake.no_file = true;
	fill_up();
	for (unsigned i = 1; i <= 12; i++) {
		fake.state = VIR_DOMAIN_PAUSED; /* again */
		look();
		assert_int_equal(keeper.room.pause, 1000 << i < 300000 ? 1000 << i : 300000);
	}
	assert_non_null(strstr(fake_libvirt_calls(), "state resume state resume"));
}

/* libvirtd dies in the middle of a look: the next one asks again. */
static void a_look_that_is_lost(void **state)
{
	(void)state;
	boot();
	fake.room = 1 << 30;
	fill_up();
	fake.break_call = "resume";
	keeper.room.next = 0;
	keeper_settle(&keeper);
	UNTIL(!keeper.linked);
	UNTIL(keeper.linked);
	keeper.room.next = 0;
	keeper_settle(&keeper);
	UNTIL(strstr(strstr(fake_libvirt_calls(), "resume") + 6, "resume"));
}

static void a_stop_does_not_wait_for_room(void **state)
{
	(void)state;
	boot();
	fake.room = 0;
	fill_up();
	send_signal(SIGTERM, 300);
	UNTIL(strstr(fake_libvirt_calls(), "resume"));
	UNTIL(!keeper.room.waiting);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
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
		TEST(a_full_disk_is_waited_for),
		TEST(a_full_disk_whose_words_came_too_early),
		TEST(who_paused_it_otherwise_resumes_it),
		TEST(a_disk_that_is_no_file),
		TEST(a_look_that_is_lost),
		TEST(a_stop_does_not_wait_for_room),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
