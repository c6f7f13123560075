/* When a guest whose disk is full is looked after, on a clock of the test's own. */
#include "init/guest/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void less_and_less_often(void **state)
{
	struct room room = { .waiting = false };
	int64_t now = 100000, before;

	(void)state;
	assert_true(room_next(&room) == INT64_MAX);
	room_wait(&room, now);
	assert_int_equal(room_next(&room), now + 1000);
	room_wait(&room, now + 500); /* once is enough */
	assert_int_equal(room_next(&room), now + 1000);
	for (unsigned pause = 2000; pause < 100000; pause *= 2) {
		now = room_next(&room);
		room_looked(&room, false, now);
		assert_int_equal(room_next(&room) - now, pause < 30000 ? pause : 30000);
	}
	/* A day of it: twice a minute, for ever. */
	before = now = room_next(&room);
	for (int i = 0; i < 2880; i++) {
		room_looked(&room, false, now);
		now = room_next(&room);
	}
	assert_int_equal(now - before, 86400000);
	room_over(&room);
	assert_true(room_next(&room) == INT64_MAX);
}

static void attempts_back_off_until_it_runs_for_a_minute(void **state)
{
	struct room room = { .waiting = false };
	int64_t now = 0;

	(void)state;
	for (unsigned pause = 1000; pause < 1000000; pause *= 2) {
		const unsigned expected = pause < 300000 ? pause : 300000;

		room_wait(&room, now);
		assert_int_equal(room_next(&room) - now, expected);
		now = room_next(&room);
		room_looked(&room, true, now);
		room_over(&room);
		now += 59999;
	}
	room_wait(&room, now + 1);
	assert_int_equal(room_next(&room) - now, 1001);
}

/* It was paused again before anybody saw it run. */
static void an_attempt_that_nobody_saw(void **state)
{
	struct room room = { .waiting = false };

	(void)state;
	room_wait(&room, 0);
	room_looked(&room, true, 1000);
	assert_int_equal(room_next(&room), 3000);
	room_looked(&room, true, 3000);
	assert_int_equal(room_next(&room), 7000);
	room_looked(&room, false, 7000);
	assert_int_equal(room_next(&room), 15000);
}

static void how_much_is_enough(void **state)
{
	const uint64_t mb = 1 << 20;

	(void)state;
	assert_true(room_is_enough(64 * mb, 1000000 * mb));
	assert_false(room_is_enough(64 * mb - 1, 1000000 * mb));
	assert_true(room_is_enough(4 * mb, 64 * mb));
	assert_false(room_is_enough(4 * mb - 1, 64 * mb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(less_and_less_often),
		cmocka_unit_test(attempts_back_off_until_it_runs_for_a_minute),
		cmocka_unit_test(an_attempt_that_nobody_saw),
		cmocka_unit_test(how_much_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
