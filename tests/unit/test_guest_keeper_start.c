/* Starts that fail, that do not end, and that somebody else has begun, on a fake libvirt and with real processes. */
#include "keeper_scenes.h"

static void refuse_create(void)
{
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "create";
}

static void a_failed_start_is_tried_again(void **state)
{
	(void)state;
	config.guest.start_retries = 1;
	refuse_create();
	begin();
	UNTIL(keeper.start_failures == 1);
	assert_int_equal(keeper.life, LIFE_UNKNOWN);
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_int_equal(keeper.start_failures, 0);
	assert_string_equal(fake_libvirt_calls(), "open define create state define create");
}

static void retries_are_counted(void **state)
{
	(void)state;
	config.guest.start_retries = 1;
	refuse_create();
	begin();
	UNTIL(keeper.start_failures == 1);
	refuse_create();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_string_equal(fake_libvirt_calls(), "open define create state define create");
}

/* What is wrong with the definition is wrong the next time, too. */
static void a_wrong_definition_is_not_tried_again(void **state)
{
	(void)state;
	config.guest.start_retries = 5;
	fake.fail = VIR_ERR_CONFIG_UNSUPPORTED;
	fake.fail_call = "create";
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_CONFIG);
}

static void a_stop_does_not_wait_for_the_next_try(void **state)
{
	(void)state;
	config.guest.start_retries = 1;
	refuse_create();
	begin();
	UNTIL(keeper.start_failures == 1);
	keeper.next_look = now_ms() + 3600000;
	send_signal(SIGTERM, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_null(strstr(strstr(fake_libvirt_calls(), "create") + 6, "create"));
}

/* libvirt waits for a QEMU that stands still, and gives up when it is gone. */
static void a_start_that_does_not_end_is_ended(void **state)
{
	pid_t pid = start_qemu(true);

	(void)state;
	config.guest.start_timeout = 100;
	fake.gated = true;
	fake.gated_call = "create";
	begin();
	keeper.qemu.pid = 0; /* it is the new one's, of which nobody knows yet */
	UNTIL(keeper.start_late);
	reap(pid, SIGKILL);
	assert_false(keeper.ended);
	refuse_create();
	fake_libvirt_open_gate();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_SERVICE_FAILED);
	assert_string_equal(keeper.last_words, "the guest cannot be started: QEMU was not up within 0 s and was killed "
					       "([guest] start-timeout)");
}

static void and_is_tried_again(void **state)
{
	pid_t pid = start_qemu(true);

	(void)state;
	config.guest.start_timeout = 100;
	config.guest.start_retries = 1;
	fake.gated = true;
	fake.gated_call = "create";
	begin();
	UNTIL(keeper.start_late);
	reap(pid, SIGKILL);
	config.guest.start_timeout = 60000;
	refuse_create();
	fake_libvirt_open_gate();
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_false(keeper.start_late);
	assert_int_equal(keeper.boots, 1);
}

/* It is libvirtd that hangs: it is away in the end, and the next one knows of no guest. */
static void a_start_that_libvirtd_hangs_in(void **state)
{
	(void)state;
	config.guest.start_timeout = 100;
	fake.gated = true;
	fake.gated_call = "create";
	begin();
	UNTIL(keeper.start_late);
	assert_int_equal(keeper.life, LIFE_CREATING);
	fake.break_call = "create";
	fake_libvirt_hang_up();
	fake_libvirt_open_gate();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_SERVICE_FAILED);
}

static void found_starting(void)
{
	fake.defined = true;
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_STARTING_UP;
	begin();
	UNTIL(keeper.life == LIFE_CREATING);
}

/* libvirtd died in the middle of it, and the next one says nothing of its end: it must be asked. */
static void a_found_start_that_came_to_nothing(void **state)
{
	static const int reasons[] = { VIR_DOMAIN_SHUTOFF_DAEMON, VIR_DOMAIN_SHUTOFF_FAILED };

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (i > 0)
			assert_int_equal(fixture_set_up(state), 0);
		found_starting();
		fake.reason = reasons[i];
		fake.state = VIR_DOMAIN_SHUTOFF;
		UNTIL(keeper.life == LIFE_BOOTING);
		assert_non_null(strstr(fake_libvirt_calls(), "define create"));
		assert_int_equal(keeper.boots, 1);
		if (i + 1 < ARRAY_SIZE(reasons))
			assert_int_equal(fixture_tear_down(state), 0);
	}
}

static void a_found_start_that_came_to_nothing_in_a_stop(void **state)
{
	(void)state;
	found_starting();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.life == LIFE_STOP_CREATING);
	fake.state = VIR_DOMAIN_SHUTOFF;
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_null(strstr(fake_libvirt_calls(), "create"));
}

static void a_found_start_has_a_limit_too(void **state)
{
	pid_t pid = start_qemu(true);

	(void)state;
	config.guest.start_timeout = 300;
	found_starting();
	UNTIL(keeper.start_late);
	reap(pid, SIGKILL);
	fake.state = VIR_DOMAIN_SHUTOFF;
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_SERVICE_FAILED);
}

/* A keeper and its libvirtd died in the middle of a start: that was no life of the guest's. */
static void a_start_nobody_saw_the_end_of_is_none(void **state)
{
	(void)state;
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_FAILED;
	boots_save(boots_path, 0, 3);
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_int_equal(keeper.boots, 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failed_start_is_tried_again),
		TEST(retries_are_counted),
		TEST(a_wrong_definition_is_not_tried_again),
		TEST(a_stop_does_not_wait_for_the_next_try),
		TEST(a_start_that_does_not_end_is_ended),
		TEST(and_is_tried_again),
		TEST(a_start_that_libvirtd_hangs_in),
		TEST(a_found_start_that_came_to_nothing),
		TEST(a_found_start_that_came_to_nothing_in_a_stop),
		TEST(a_found_start_has_a_limit_too),
		TEST(a_start_nobody_saw_the_end_of_is_none),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
