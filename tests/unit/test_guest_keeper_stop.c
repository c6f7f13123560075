/* Stops at every moment of a guest's life, on a fake libvirt and a real event loop, worker thread, signals and processes. */
#include "keeper_scenes.h"

static void asked_to_stop_before_anything(void **state)
{
	(void)state;
	fake.gated = true;
	begin();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.life == LIFE_STOP_UNKNOWN);
	fake_libvirt_open_gate();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_string_equal(fake_libvirt_calls(), "open"); /* never defined, never started */
}

static void asked_to_stop_while_libvirtd_never_comes(void **state)
{
	int64_t before = now_ms();

	(void)state;
	fake.reachable = false;
	begin();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	/* Long before the guest's own time is over. */
	assert_in_range(now_ms() - before, 1900, 20000);
}

static void asked_to_stop_in_the_middle_of_a_start(void **state)
{
	(void)state;
	fake.defined = true;
	begin();
	UNTIL(keeper.wanted == VIRT_CREATE || keeper.life == LIFE_CREATING);
	fake.gated = true;
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	fake_libvirt_open_gate();
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void a_full_disk_pauses_and_says_so(void **state)
{
	(void)state;
	boot();
	fake_libvirt_disk_event("enospc");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.life == LIFE_PAUSED);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_RUNNING); /* it was alive before */
	assert_string_equal(keeper.pause_reason, "");
	/* A paused guest is resumed before it can shut down. */
	fake_libvirt_disk_event("enospc");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.life == LIFE_PAUSED);
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "resume"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(strstr(fake_libvirt_calls(), "resume button"));
}

static void the_agent_is_asked_beside_the_button(void **state)
{
	(void)state;
	config.stop.agent = true;
	boot();
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button agent"));
}

/* It does not answer: each further question would keep the button waiting. */
static void an_agent_that_fails_is_asked_once(void **state)
{
	(void)state;
	config.stop.agent = true;
	config.stop.resend = 100;
	boot();
	fake.fail = VIR_ERR_AGENT_UNRESPONSIVE;
	fake.fail_call = "agent";
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button agent button button"));
}

static void the_deadline_destroys(void **state)
{
	(void)state;
	boot();
	send_signal(SIGTERM, 150); /* PID 1 says how much time is left */
	send_signal(SIGTERM, 50000);
	UNTIL(strstr(fake_libvirt_calls(), "button destroy-graceful"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

static void a_failed_destroy_is_followed_by_a_harder_one(void **state)
{
	(void)state;
	boot();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "destroy-graceful";
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful destroy"));
}

static void impatience(void **state)
{
	(void)state;
	boot();
	send_signal(SIGINT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	assert_null(strstr(fake_libvirt_calls(), "destroy"));
	send_signal(SIGINT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
	assert_int_equal(fixture_tear_down(state), 0);
	assert_int_equal(fixture_set_up(state), 0);
	boot();
	send_signal(SIGQUIT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
}

static void without_libvirtd_the_deadline_holds(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake.reachable = false;
	fake_libvirt_hang_up();
	send_signal(SIGTERM, 100);
	UNTIL(keeper.evidence.destroyed);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
	assert_null(strstr(fake_libvirt_calls(), "destroy"));
}

static void a_hung_libvirtd_does_not_hold_the_deadline(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake.gated = true; /* the press never returns */
	send_signal(SIGTERM, 100);
	UNTIL(keeper.evidence.destroyed);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asked_to_stop_before_anything),
		TEST(asked_to_stop_while_libvirtd_never_comes),
		TEST(asked_to_stop_in_the_middle_of_a_start),
		TEST(a_full_disk_pauses_and_says_so),
		TEST(the_agent_is_asked_beside_the_button),
		TEST(an_agent_that_fails_is_asked_once),
		TEST(the_deadline_destroys),
		TEST(a_failed_destroy_is_followed_by_a_harder_one),
		TEST(impatience),
		TEST(without_libvirtd_the_deadline_holds),
		TEST(a_hung_libvirtd_does_not_hold_the_deadline),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
