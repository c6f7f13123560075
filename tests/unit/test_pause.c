/* Who waits for a processor is not paused, whoever is not even waiting is. */
#include "init/pid1/pause.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

/* What the kernel says: ms on a processor, and ms in the queue for one. */
static void says(const struct pause *pause, int ran, int queued)
{
	assert_int_equal(ftruncate(pause->schedstat_fd, 0), 0);
	assert_int_equal(lseek(pause->schedstat_fd, 0, SEEK_SET), 0);
	assert_true(dprintf(pause->schedstat_fd, "%d000000 %d000000 17\n", ran, queued) > 0);
}

/* A pause of PID 1 that is watched since now. */
static struct pause begun(int wait, int64_t *ret_now)
{
	struct pause pause = { .schedstat_fd = memfd_create("schedstat", MFD_CLOEXEC) };

	assert_true(pause.schedstat_fd >= 0);
	says(&pause, 100, 5000);
	pause_begin(&pause, wait);
	*ret_now = now_ms();
	return pause;
}

static void end(const struct pause *pause)
{
	close(pause->schedstat_fd);
}

static void test_frozen(void **state)
{
	int64_t now;
	struct pause pause = begun(500, &now);

	(void)state;
	assert_int_equal(pause_end(&pause, 500, now + 500), 0);
	/* The time of the round counts: nothing is lost between two waits. */
	pause_begin(&pause, 500);
	assert_int_equal(pause_end(&pause, 500, now + 500 + 500 + 7000), 7000);
	/* And not twice. */
	pause_begin(&pause, 500);
	assert_int_equal(pause_end(&pause, 500, now + 8000 + 500), 0);
	end(&pause);
}

static void test_starved(void **state)
{
	int64_t now;
	struct pause pause = begun(500, &now);

	(void)state;
	says(&pause, 100, 5000 + 7000);
	assert_int_equal(pause_end(&pause, 500, now + 500 + 7000), 0);
	/* Or busy, as with thousands of orphans. */
	pause_begin(&pause, 0);
	says(&pause, 100 + 7000, 12000);
	assert_int_equal(pause_end(&pause, 0, now + 7500 + 7000), 0);
	/* Both: what is left was a pause. */
	pause_begin(&pause, 0);
	says(&pause, 7100 + 1000, 12000 + 2000);
	assert_int_equal(pause_end(&pause, 0, now + 14500 + 6000), 3000);
	end(&pause);
}

static void test_short(void **state)
{
	int64_t now;
	struct pause pause = begun(500, &now);

	(void)state;
	assert_int_equal(pause_end(&pause, 500, now + 500 + 900), 0);
	end(&pause);
}

/* No time is kept while PID 1 waits for ever, and none is made up for afterwards. */
static void test_for_ever(void **state)
{
	int64_t now;
	struct pause pause = begun(-1, &now);

	(void)state;
	assert_int_equal(pause_end(&pause, -1, now + 3600000), 0);
	pause_begin(&pause, 500);
	assert_int_equal(pause_end(&pause, 500, now_ms() + 500), 0);
	end(&pause);
}

/* Where the kernel says nothing all that is no work looks like a pause. */
static void test_silent_kernel(void **state)
{
	struct pause pause = { .schedstat_fd = -1 };
	int64_t now = now_ms();

	(void)state;
	pause_begin(&pause, 500);
	assert_in_range(pause_end(&pause, 500, now + 500 + 7000), 5000, 7100);
	/* Nor does what no kernel says stop anything. */
	pause = begun(500, &now);
	assert_int_equal(ftruncate(pause.schedstat_fd, 0), 0);
	assert_true(pause_end(&pause, 500, now + 500 + 7000) >= 5000);
	end(&pause);
}

/* This kernel says it. */
static void test_this_kernel(void **state)
{
	struct pause pause;
	int64_t begin = now_ms();

	(void)state;
	pause_init(&pause);
	assert_true(pause.schedstat_fd >= 0);
	pause_begin(&pause, 0);
	while (now_ms() < begin + 1500)
		;
	assert_int_equal(pause_end(&pause, 0, now_ms()), 0);
	end(&pause);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen),	      cmocka_unit_test(test_starved),
		cmocka_unit_test(test_short),	      cmocka_unit_test(test_for_ever),
		cmocka_unit_test(test_silent_kernel), cmocka_unit_test(test_this_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
