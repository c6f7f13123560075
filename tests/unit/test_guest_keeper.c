/* Lives of guests from beginning to end, on a fake libvirt and a real event loop, worker thread, signals and processes. */
#include "keeper_scenes.h"

static void boots_and_shuts_down(void **state)
{
	(void)state;
	boot();
	assert_true(keeper.ready);
	assert_int_equal(keeper.boots, 1);
	assert_string_equal(fake_libvirt_calls(), "open define create");
	assert_non_null(strstr(fake.xml, "<name>windows</name>"));
	send_signal(SIGTERM, 0);
	UNTIL(fake.n_calls == 4);
	assert_string_equal(fake_libvirt_calls(), "open define create button");
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void a_guest_that_shuts_itself_down(void **state)
{
	(void)state;
	boot();
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_string_equal(keeper.last_words, "the guest shut down");
}

static void a_guest_that_reboots_stays(void **state)
{
	(void)state;
	boot();
	/* Linux tries one way after the other: three resets, one reboot. */
	for (int i = 0; i < 3; i++)
		fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	UNTIL(!keeper.inbox.n);
	assert_int_equal(keeper.boots, 2);
	assert_int_equal(keeper.life, LIFE_BOOTING);
	assert_int_equal(keeper.health.state, RDP_UNKNOWN);
	assert_false(keeper.ended);
}

static void a_running_guest_is_taken_over(void **state)
{
	(void)state;
	fake.defined = true;
	fake.agent = true;
	fake.state = VIR_DOMAIN_RUNNING;
	plan.prepared = false; /* preparing would look for a disk that is not there, and end it */
	pid_t pid = start_qemu(false);
	begin();
	UNTIL(keeper.life == LIFE_RUNNING);
	assert_int_equal(keeper.qemu.pid, pid);
	assert_string_equal(fake_libvirt_calls(), "open state"); /* no second definition, no second start */
	assert_false(keeper.ended);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_start_under_way_is_waited_for(void **state)
{
	(void)state;
	fake.defined = true;
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_STARTING_UP;
	begin();
	UNTIL(keeper.life == LIFE_CREATING);
	fake.state = VIR_DOMAIN_RUNNING;
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_string_equal(fake_libvirt_calls(), "open state");
}

static void what_ended_in_our_absence_is_not_started_again(void **state)
{
	static const struct {
		int reason, code;
	} ends[] = { { VIR_DOMAIN_SHUTOFF_SHUTDOWN, EXIT_GUEST_OFF },
		     { VIR_DOMAIN_SHUTOFF_CRASHED, EXIT_GUEST_CRASHED },
		     { VIR_DOMAIN_SHUTOFF_FAILED, EXIT_GUEST_CRASHED },
		     { VIR_DOMAIN_SHUTOFF_DESTROYED, EXIT_GUEST_DESTROYED } };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (i > 0)
			assert_int_equal(fixture_set_up(state), 0);
		fake.defined = true;
		fake.reason = ends[i].reason;
		boots_save(boots_path, 71, 1); /* a predecessor started it */
		begin();
		UNTIL(keeper.ended);
		assert_int_equal(keeper.exit_code, ends[i].code);
		assert_null(strstr(fake_libvirt_calls(), "create"));
		assert_int_equal(boots_load(boots_path).qemu, 0);
		if (i + 1 < ARRAY_SIZE(ends))
			assert_int_equal(fixture_tear_down(state), 0);
	}
}

/* Its end was told; this is a new start, by the same libvirtd. */
static void what_ended_before_is_started_again(void **state)
{
	(void)state;
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_DESTROYED;
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
}

static void libvirtd_comes_late(void **state)
{
	(void)state;
	fake.reachable = false;
	begin();
	UNTIL(fake.n_calls >= 3); /* tries and tries */
	assert_false(keeper.linked);
	fake.reachable = true;
	UNTIL(keeper.life == LIFE_BOOTING);
}

static void libvirtd_goes_and_comes_back(void **state)
{
	(void)state;
	boot();
	for (int i = 0; i < 20; i++) {
		unsigned connections = fake.connections;

		fake_libvirt_hang_up();
		UNTIL(!keeper.linked);
		assert_int_equal(keeper.life, LIFE_RUNNING);
		UNTIL(keeper.linked);
		assert_int_equal(fake.connections, connections + 1);
		assert_int_equal(keeper.life, LIFE_RUNNING);
	}
	/* Nothing is missed afterwards. */
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_null(strstr(strstr(fake_libvirt_calls(), "create") + 6, "create"));
}

static void what_happened_without_libvirtd_is_found_out(void **state)
{
	(void)state;
	boot();
	fake.reachable = false;
	fake_libvirt_hang_up();
	UNTIL(!keeper.linked);
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_IOERROR;
	fake.disk_full = true;
	fake.reachable = true;
	UNTIL(keeper.life == LIFE_PAUSED);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
	fake_libvirt_hang_up();
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void libvirtd_dies_in_the_middle_of_a_start(void **state)
{
	(void)state;
	fake.break_call = "create";
	begin();
	UNTIL(keeper.create_tries == 2);
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_string_equal(fake_libvirt_calls(), "open define create open state define create");
}

static void three_starts_are_enough(void **state)
{
	(void)state;
	fake.reason = VIR_DOMAIN_SHUTOFF_DAEMON; /* what a new libvirtd says of a guest that it cannot take over */
	begin();
	for (unsigned i = 1; i <= 3; i++) {
		fake.break_call = "create";
		UNTIL(keeper.create_tries == i);
		UNTIL(!fake.break_call);
	}
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_refused_definition_ends_with_78(void **state)
{
	(void)state;
	fake.fail = VIR_ERR_CONFIG_UNSUPPORTED;
	fake.fail_call = "define";
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_CONFIG);
	assert_non_null(strstr(keeper.last_words, "the fake says no"));
}

static void a_failed_start_ends_with_11(void **state)
{
	(void)state;
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "create";
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_non_null(strstr(keeper.last_words, "the fake says no"));
}

static void pid_1_tells_how_qemu_ended(void **state)
{
	(void)state;
	boot();
	keeper.evidence.pid = 71;
	kill(getpid(), SIGUSR1); /* not sigqueue(3): no wait status */
	virEventRunDefaultImpl();
	assert_false(keeper.evidence.status_known);
	send_signal(SIGUSR1, SIGKILL);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_string_equal(keeper.last_words, "QEMU (pid 71) was killed by SIGKILL");
}

static void a_sigterm_to_qemu_is_no_shutdown(void **state)
{
	(void)state;
	boot();
	fake_libvirt_event(VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_panic_is_a_crash(void **state)
{
	(void)state;
	boot();
	fake_libvirt_event(VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
	UNTIL(keeper.life == LIFE_PAUSED);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_string_equal(keeper.last_words, "the guest crashed");
}

static void boots_survive_a_restart_of_the_keeper(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	fake_libvirt_open_gate();
	keeper_clear(&keeper);
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_int_equal(keeper.boots, 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(boots_and_shuts_down),
		TEST(a_guest_that_shuts_itself_down),
		TEST(a_guest_that_reboots_stays),
		TEST(a_running_guest_is_taken_over),
		TEST(a_start_under_way_is_waited_for),
		TEST(what_ended_in_our_absence_is_not_started_again),
		TEST(what_ended_before_is_started_again),
		TEST(libvirtd_comes_late),
		TEST(libvirtd_goes_and_comes_back),
		TEST(what_happened_without_libvirtd_is_found_out),
		TEST(libvirtd_dies_in_the_middle_of_a_start),
		TEST(three_starts_are_enough),
		TEST(a_refused_definition_ends_with_78),
		TEST(a_failed_start_ends_with_11),
		TEST(pid_1_tells_how_qemu_ended),
		TEST(a_sigterm_to_qemu_is_no_shutdown),
		TEST(a_panic_is_a_crash),
		TEST(boots_survive_a_restart_of_the_keeper),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
