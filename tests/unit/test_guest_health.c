/* The rhythm of the probes, on a clock of the test's own. */
#include "init/guest/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct health_config config = {
	.rdp_port = 3389, .rdp_interval = 30000, .rdp_timeout = 5000, .rdp_failures = 3,
};

static struct health started(int64_t now)
{
	struct health health;

	health_init(&health, &config);
	health_start(&health, false, now);
	return health;
}

static void nothing_before_the_start(void **state)
{
	struct health health;

	(void)state;
	health_init(&health, &config);
	assert_true(health_next(&health) == INT64_MAX);
	health_result(&health, PROBE_ANSWERED, 0, 1);
	assert_int_equal(health.state, RDP_UNKNOWN);
}

/* The first answer is seen within a quarter of a second for half a minute, within a second for ever. */
static void eager_then_patient(void **state)
{
	struct health health = started(1000);
	int64_t now = 1000, last = 1000;

	(void)state;
	assert_int_equal(health_next(&health), 1000);
	for (int i = 0; i < 1000; i++) {
		int64_t gap;

		now = health_next(&health);
		gap = now - last;
		assert_in_range(gap, i == 0 ? 0 : 250, 1000);
		if (now - 1000 < 29000 && i > 0)
			assert_int_equal(gap, 250);
		assert_in_range(health_connect_timeout(&health), 250, 1000);
		last = now;
		health_result(&health, PROBE_SILENT, now, now + health_connect_timeout(&health));
		assert_int_equal(health.state, RDP_CLOSED);
	}
	assert_int_equal(health_connect_timeout(&health), 1000);
}

/* A failure that takes no time must not become a loop. */
static void immediate_failures_do_not_spin(void **state)
{
	struct health health = started(0);

	(void)state;
	for (int i = 0; i < 10; i++) {
		int64_t now = health_next(&health);

		health_result(&health, i % 2 ? PROBE_REFUSED : PROBE_SILENT, now, now);
		assert_int_equal(health_next(&health), now + 250);
	}
}

static void answering_is_probed_rarely(void **state)
{
	struct health health = started(0);

	(void)state;
	health_result(&health, PROBE_ANSWERED, 0, 10);
	assert_int_equal(health.state, RDP_ANSWERING);
	assert_int_equal(health_next(&health), 30010);
	assert_int_equal(health_connect_timeout(&health), 5000);
}

static void only_failures_in_a_row_degrade(void **state)
{
	struct health health = started(0);
	int64_t now = 0;

	(void)state;
	health_result(&health, PROBE_ANSWERED, now, now);
	for (int round = 0; round < 5; round++) {
		for (unsigned i = 1; i < config.rdp_failures; i++) {
			now = health_next(&health);
			health_result(&health, PROBE_SILENT, now, now + 100);
			assert_int_equal(health.state, RDP_ANSWERING);
			/* The suspicion is settled quickly. */
			assert_int_equal(health_next(&health), now + 1000);
		}
		now = health_next(&health);
		health_result(&health, PROBE_ANSWERED, now, now);
	}
	for (unsigned i = 0; i < config.rdp_failures; i++) {
		now = health_next(&health);
		health_result(&health, PROBE_OPEN, now, now + 100);
	}
	assert_int_equal(health.state, RDP_OPEN);
	assert_int_equal(health_next(&health), now + 250);
	health_result(&health, PROBE_SILENT, now, now + 100);
	assert_int_equal(health.state, RDP_CLOSED);
	health_result(&health, PROBE_ANSWERED, now, now + 100);
	assert_int_equal(health.state, RDP_ANSWERING);
}

/* What is told by itself is not asked for, but for one that is gone, as often as it may fail. */
static void what_is_told_is_not_asked_for(void **state)
{
	struct health_config agent = config;
	struct health health;
	int64_t now = 100;

	(void)state;
	agent.probe.kind = PROBE_BY_AGENT;
	health_init(&health, &agent);
	health_news(&health, 5);
	assert_true(health_next(&health) == INT64_MAX); /* the guest does not run */
	health_start(&health, false, now);
	assert_int_equal(health_next(&health), now);
	health_result(&health, PROBE_SILENT, now, now);
	assert_int_equal(health.state, RDP_CLOSED);
	assert_true(health_next(&health) == INT64_MAX);
	health_news(&health, 5000);
	assert_int_equal(health_next(&health), 5000);
	health_result(&health, PROBE_ANSWERED, 5000, 5000);
	assert_int_equal(health.state, RDP_ANSWERING);
	assert_true(health_next(&health) == INT64_MAX);
	health_news(&health, 9000);
	for (unsigned i = 1; i < agent.rdp_failures; i++) {
		now = health_next(&health);
		health_result(&health, PROBE_SILENT, now, now);
		assert_int_equal(health.state, RDP_ANSWERING);
		assert_int_equal(health_next(&health), now + 1000);
	}
	now = health_next(&health);
	health_result(&health, PROBE_SILENT, now, now);
	assert_int_equal(health.state, RDP_CLOSED);
	assert_true(health_next(&health) == INT64_MAX);
	/* One that is asked for goes on as it did. */
	health_init(&health, &config);
	health_start(&health, false, 0);
	health_result(&health, PROBE_ANSWERED, 0, 0);
	health_news(&health, 7);
	assert_int_equal(health_next(&health), 30000);
}

static void a_slow_attempt_is_followed_at_once(void **state)
{
	struct health health = started(0);

	(void)state;
	health_result(&health, PROBE_OPEN, 0, 5000);
	assert_int_equal(health.state, RDP_OPEN);
	assert_int_equal(health_next(&health), 5000);
}

static void a_reboot_forgets_a_pause_does_not(void **state)
{
	struct health health = started(0);

	(void)state;
	health_result(&health, PROBE_ANSWERED, 0, 0);
	health_start(&health, true, 100);
	assert_int_equal(health.state, RDP_ANSWERING);
	assert_int_equal(health_next(&health), 100);
	health_start(&health, false, 200);
	assert_int_equal(health.state, RDP_UNKNOWN);
	health_stop(&health);
	assert_int_equal(health.state, RDP_UNKNOWN);
	assert_true(health_next(&health) == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_before_the_start),
		cmocka_unit_test(eager_then_patient),
		cmocka_unit_test(immediate_failures_do_not_spin),
		cmocka_unit_test(answering_is_probed_rarely),
		cmocka_unit_test(only_failures_in_a_row_degrade),
		cmocka_unit_test(what_is_told_is_not_asked_for),
		cmocka_unit_test(a_slow_attempt_is_followed_at_once),
		cmocka_unit_test(a_reboot_forgets_a_pause_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
