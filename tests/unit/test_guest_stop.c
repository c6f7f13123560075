/* The stop policy, on a clock of the test's own. */
#include "init/guest/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define T0 1000000
#define TIMEOUT 110000

static const struct stop_config config = { .timeout = TIMEOUT, .resend = 5000, .agent = false };
static const struct stop_config config_agent = { .timeout = TIMEOUT, .resend = 5000, .agent = true };
static const struct stop_config config_save = { .timeout = TIMEOUT, .resend = 5000, .on_deadline = ON_DEADLINE_SAVE,
						.save_timeout = 60000 };
static const struct stop_view running = { .target = STOP_TARGET_RUNNING, .libvirt = true, .process = true };
static const struct stop_view running_agent = { STOP_TARGET_RUNNING, .libvirt = true, .agent = true, .process = true };
static const struct stop_view busy = { .target = STOP_TARGET_RUNNING, .busy = true, .process = true };
static const struct stop_view no_libvirt = { .target = STOP_TARGET_RUNNING, .process = true };
static const struct stop_view paused = { .target = STOP_TARGET_PAUSED, .libvirt = true, .process = true };
static const struct stop_view asleep = { .target = STOP_TARGET_ASLEEP, .libvirt = true, .process = true };
static const struct stop_view starting = { .target = STOP_TARGET_STARTING };
static const struct stop_view unknown = { .target = STOP_TARGET_UNKNOWN };
static const struct stop_view unknown_process = { .target = STOP_TARGET_UNKNOWN, .process = true };
static const struct stop_view dying = { .target = STOP_TARGET_DYING, .libvirt = true, .process = true };
static const struct stop_view dying_alone = { .target = STOP_TARGET_DYING, .process = true };

static struct stop begun(const struct stop_config *with)
{
	struct stop stop;

	stop_init(&stop, with);
	assert_true(stop_begin(&stop, with->timeout, T0));
	return stop;
}

#define EXPECT(stop, view, now, order) assert_int_equal(stop_order(&(stop), &(view), now), STOP_ORDER_##order)

static void nothing_unasked(void **state)
{
	struct stop stop;

	(void)state;
	stop_init(&stop, &config);
	EXPECT(stop, running, T0, WAIT);
	assert_true(stop_next(&stop, &running) == INT64_MAX);
}

static void presses_at_once_and_again(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	for (int i = 0; i < 22; i++) {
		int64_t now = T0 + i * 5000;

		assert_int_equal(stop_next(&stop, &running), now);
		EXPECT(stop, running, now, BUTTON);
		assert_int_equal(stop.phase, STOP_BUTTON);
		EXPECT(stop, running, now, WAIT);
		EXPECT(stop, running, now + 4999, WAIT);
	}
	assert_int_equal(stop.presses, 22);
	assert_int_equal(stop_next(&stop, &running), T0 + TIMEOUT);
}

static void asks_the_agent_after_each_press(void **state)
{
	struct stop stop = begun(&config_agent);

	(void)state;
	EXPECT(stop, running_agent, T0, BUTTON);
	EXPECT(stop, running_agent, T0 + 1, AGENT);
	assert_int_equal(stop.phase, STOP_AGENT);
	EXPECT(stop, running_agent, T0 + 2, WAIT);
	EXPECT(stop, running_agent, T0 + 5000, BUTTON);
	EXPECT(stop, running_agent, T0 + 5001, AGENT);
	/* Not connected, or not allowed: the button alone. */
	EXPECT(stop, running, T0 + 10000, BUTTON);
	EXPECT(stop, running, T0 + 10001, WAIT);
	stop = begun(&config);
	EXPECT(stop, running_agent, T0, BUTTON);
	EXPECT(stop, running_agent, T0 + 1, WAIT);
}

static void rouses_a_guest_that_cannot_hear(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	EXPECT(stop, paused, T0, RESUME);
	/* It worked: the press follows at once. */
	EXPECT(stop, running, T0 + 1, BUTTON);
	/* It pauses again, for the disk is still full: once per round, not in a loop. */
	EXPECT(stop, paused, T0 + 2, WAIT);
	EXPECT(stop, paused, T0 + 5001, RESUME);
	EXPECT(stop, paused, T0 + 5002, WAIT);
	assert_int_equal(stop_next(&stop, &paused), T0 + 10002);
	EXPECT(stop, paused, T0 + 5003, WAIT);
	EXPECT(stop, paused, T0 + 10002, RESUME);
	stop = begun(&config);
	EXPECT(stop, asleep, T0, WAKE);
	EXPECT(stop, running, T0 + 1, BUTTON);
}

static void waits_for_what_is_not_there_yet(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	EXPECT(stop, starting, T0, WAIT);
	assert_int_equal(stop_next(&stop, &starting), T0 + TIMEOUT);
	EXPECT(stop, no_libvirt, T0 + 1, WAIT);
	assert_int_equal(stop_next(&stop, &no_libvirt), T0 + TIMEOUT);
	/* As soon as it exists. */
	EXPECT(stop, running, T0 + 700, BUTTON);
}

static void leaves_when_nobody_knows_of_a_guest(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	EXPECT(stop, unknown, T0, WAIT);
	assert_int_equal(stop_next(&stop, &unknown), T0 + 2000);
	EXPECT(stop, unknown, T0 + 1999, WAIT);
	EXPECT(stop, unknown, T0 + 2000, LEAVE);
	/* But not while its process is there. */
	stop = begun(&config);
	EXPECT(stop, unknown_process, T0 + 2000, WAIT);
	assert_int_equal(stop_next(&stop, &unknown_process), T0 + TIMEOUT);
}

static void escalates_after_the_deadline(void **state)
{
	struct stop stop = begun(&config);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, running, now - 1, BUTTON);
	EXPECT(stop, running, now, DESTROY_GRACEFUL);
	assert_int_equal(stop.phase, STOP_DESTROY_GRACEFUL);
	EXPECT(stop, no_libvirt, now + 1, WAIT);
	assert_int_equal(stop_next(&stop, &running), now + 5000);
	EXPECT(stop, running, now + 5000, DESTROY);
	assert_int_equal(stop.phase, STOP_DESTROY);
	EXPECT(stop, running, now + 7000, KILL);
	EXPECT(stop, running, now + 8500, LEAVE);
	/* Inside the 15 s that the container's grace period leaves, and over for good. */
	EXPECT(stop, running, now + 100000, WAIT);
	assert_true(stop_next(&stop, &running) == INT64_MAX);
}

static void signals_where_libvirt_is_away(void **state)
{
	struct stop stop = begun(&config);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, no_libvirt, now, TERM);
	EXPECT(stop, no_libvirt, now + 5000, KILL);
	/* Nothing to signal: still bounded. */
	stop = begun(&config);
	EXPECT(stop, starting, now, WAIT);
	EXPECT(stop, starting, now + 5000, WAIT);
	EXPECT(stop, starting, now + 7000, WAIT);
	EXPECT(stop, starting, now + 8500, LEAVE);
	/* A process that appears late is not forgotten. */
	stop = begun(&config);
	EXPECT(stop, starting, now, WAIT);
	EXPECT(stop, no_libvirt, now + 5000, KILL);
}

/* A call that is under way gets a moment to end; one that hangs does not hold the deadline. */
static void a_busy_libvirtd_gets_a_moment(void **state)
{
	struct stop stop = begun(&config);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, busy, now, WAIT);
	assert_int_equal(stop_next(&stop, &busy), now + 1000);
	EXPECT(stop, running, now + 5, DESTROY_GRACEFUL);
	EXPECT(stop, busy, now + 5004, WAIT);
	EXPECT(stop, busy, now + 5005, KILL); /* no second moment */
	stop = begun(&config);
	EXPECT(stop, busy, now + 1000, TERM);
}

static void a_failed_step_is_followed_at_once(void **state)
{
	struct stop stop = begun(&config);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	stop_failed(&stop, T0);
	EXPECT(stop, running, T0, BUTTON);
	EXPECT(stop, running, now, DESTROY_GRACEFUL);
	stop_failed(&stop, now + 10);
	EXPECT(stop, running, now + 10, DESTROY);
}

static void a_second_request_changes_nothing(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	EXPECT(stop, running, T0, BUTTON);
	assert_false(stop_begin(&stop, 1, T0 + 1000));
	assert_false(stop_begin(&stop, 999999, T0 + 1000));
	EXPECT(stop, running, T0 + 1002, WAIT);
	EXPECT(stop, running, T0 + TIMEOUT, DESTROY_GRACEFUL);
}

static void hurry_means_now(void **state)
{
	struct stop stop = begun(&config);

	(void)state;
	EXPECT(stop, running, T0, BUTTON);
	stop_hurry(&stop, T0 + 300);
	assert_int_equal(stop_next(&stop, &running), T0 + 300);
	EXPECT(stop, running, T0 + 300, DESTROY_GRACEFUL);
	/* Once more does not shorten QEMU's time to flush. */
	stop_hurry(&stop, T0 + 400);
	EXPECT(stop, running, T0 + 400, WAIT);
}

/* The guest is off, libvirtd should end QEMU; it gets ten seconds, asked to stop or not. */
static void lingering_qemu_is_ended(void **state)
{
	struct stop stop;

	(void)state;
	stop_init(&stop, &config);
	stop_linger(&stop, T0);
	EXPECT(stop, dying, T0, WAIT);
	assert_int_equal(stop_next(&stop, &dying), T0 + 10000);
	EXPECT(stop, dying_alone, T0 + 10000, TERM);
	EXPECT(stop, dying_alone, T0 + 15000, KILL);
	EXPECT(stop, dying_alone, T0 + 21000, KILL);
	EXPECT(stop, dying_alone, T0 + 24000, LEAVE);
	stop = begun(&config);
	stop_linger(&stop, T0);
	EXPECT(stop, dying, T0 + 1, WAIT);
	EXPECT(stop, dying, T0 + 10000, DESTROY_GRACEFUL);
}

static void a_reboot_is_no_lingering(void **state)
{
	struct stop stop;

	(void)state;
	stop_init(&stop, &config);
	stop_linger(&stop, T0);
	stop_no_linger(&stop);
	EXPECT(stop, running, T0 + 10000, WAIT);
	assert_true(stop_next(&stop, &running) == INT64_MAX);
	stop = begun(&config);
	stop_linger(&stop, T0);
	stop_no_linger(&stop);
	EXPECT(stop, running, T0 + 10000, BUTTON);
}

static void saves_at_the_deadline(void **state)
{
	struct stop stop = begun(&config_save);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, running, now - 1, BUTTON);
	EXPECT(stop, running, now, SAVE);
	assert_int_equal(stop.phase, STOP_SAVE);
	/* Its time is its own: no press, and no second for a call that is under way. */
	EXPECT(stop, busy, now + 59999, WAIT);
	assert_int_equal(stop_next(&stop, &busy), now + 60000);
	EXPECT(stop, busy, now + 60000, TERM);
	assert_int_equal(stop.phase, STOP_DESTROY_GRACEFUL);
	EXPECT(stop, busy, now + 65000, KILL);
	EXPECT(stop, busy, now + 67000, KILL);
	EXPECT(stop, busy, now + 68500, LEAVE);
	/* Paused guests have a memory, too. */
	stop = begun(&config_save);
	EXPECT(stop, paused, now, SAVE);
}

static void destroys_what_is_not_saved(void **state)
{
	struct stop stop = begun(&config_save);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, running, now, SAVE);
	stop_not_saved(&stop, now + 10);
	assert_int_equal(stop_next(&stop, &running), now + 10);
	EXPECT(stop, running, now + 10, DESTROY_GRACEFUL);
	EXPECT(stop, running, now + 11, WAIT); /* once */
}

static void a_saved_guest_is_left_alone(void **state)
{
	struct stop stop = begun(&config_save);
	int64_t now = T0 + TIMEOUT;

	(void)state;
	EXPECT(stop, running, now, SAVE);
	stop_saved(&stop, now + 500);
	EXPECT(stop, running, now + 500, WAIT); /* its end was not heard of yet */
	assert_int_equal(stop_next(&stop, &running), now + 10500);
	EXPECT(stop, dying, now + 501, WAIT);
	/* Unless its QEMU does not go. */
	EXPECT(stop, dying_alone, now + 10500, TERM);
}

static void saves_only_what_it_can(void **state)
{
	static const struct stop_view *const not_now[] = { &no_libvirt, &unknown_process };
	int64_t now = T0 + TIMEOUT;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stop stop = begun(&config_save);

		assert_int_equal(stop_order(&stop, not_now[i], now), STOP_ORDER_TERM);
		EXPECT(stop, running, now + 1, WAIT);
	}
	struct stop stop = begun(&config_save);
	EXPECT(stop, asleep, now, DESTROY_GRACEFUL);
	stop = begun(&config_save);
	EXPECT(stop, dying, now, DESTROY_GRACEFUL);
	/* A press that is under way gets its moment. */
	stop = begun(&config_save);
	EXPECT(stop, busy, now, WAIT);
	EXPECT(stop, running, now + 5, SAVE);
	/* Never unasked. */
	stop_init(&stop, &config_save);
	stop_linger(&stop, T0);
	EXPECT(stop, running, T0 + 10000, DESTROY_GRACEFUL);
}

static void hurry_saves_and_hurry_again_does_not(void **state)
{
	struct stop stop = begun(&config_save);

	(void)state;
	EXPECT(stop, running, T0, BUTTON);
	stop_hurry(&stop, T0 + 300);
	EXPECT(stop, running, T0 + 300, SAVE);
	EXPECT(stop, busy, T0 + 400, WAIT);
	stop_hurry(&stop, T0 + 400);
	EXPECT(stop, busy, T0 + 400, TERM);
	/* Both before anything could be done. */
	stop = begun(&config_save);
	stop_hurry(&stop, T0 + 300);
	stop_hurry(&stop, T0 + 300);
	EXPECT(stop, running, T0 + 300, DESTROY_GRACEFUL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_unasked),
		cmocka_unit_test(presses_at_once_and_again),
		cmocka_unit_test(asks_the_agent_after_each_press),
		cmocka_unit_test(rouses_a_guest_that_cannot_hear),
		cmocka_unit_test(waits_for_what_is_not_there_yet),
		cmocka_unit_test(leaves_when_nobody_knows_of_a_guest),
		cmocka_unit_test(escalates_after_the_deadline),
		cmocka_unit_test(signals_where_libvirt_is_away),
		cmocka_unit_test(a_busy_libvirtd_gets_a_moment),
		cmocka_unit_test(a_failed_step_is_followed_at_once),
		cmocka_unit_test(a_second_request_changes_nothing),
		cmocka_unit_test(hurry_means_now),
		cmocka_unit_test(lingering_qemu_is_ended),
		cmocka_unit_test(a_reboot_is_no_lingering),
		cmocka_unit_test(saves_at_the_deadline),
		cmocka_unit_test(destroys_what_is_not_saved),
		cmocka_unit_test(a_saved_guest_is_left_alone),
		cmocka_unit_test(saves_only_what_it_can),
		cmocka_unit_test(hurry_saves_and_hurry_again_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
