/* One service's life with a fake clock and fake effects: the stories that its pairs of state and
 * event add up to. */
#include "lib/util.h"
#include "service_fixture.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_start(void **state)
{
	struct fixture *f = *state;

	event(f, SERVICE_START, T0 + 5);
	did(f, "spawn s=100");
	in_state(f, SERVICE_STARTING);
	assert_int_equal(f->service.pid, 100);
	assert_true(f->service.started == T0 + 5);
	assert_true(f->service.started_once);
	assert_true(f->service.starves == T0 + 405);
	assert_true(service_next_deadline(&f->service) == T0 + 405);
	event(f, SERVICE_SAID_READY, T0 + 100);
	in_state(f, SERVICE_READY);
	assert_true(f->service.spoke);
	assert_true(service_next_deadline(&f->service) == T0 + 405);
	service_feed(&f->service, T0 + 300);
	assert_true(service_next_deadline(&f->service) == T0 + 700);
}

/* What READY=1 and exec mean depends on the type. */
static void test_types(void **state)
{
	static const struct {
		enum service_type type;
		enum service_state execed, said_ready, exited_0;
	} expected[] = {
		{ SERVICE_SIMPLE, SERVICE_READY, SERVICE_STARTING, SERVICE_BACKOFF },
		{ SERVICE_NOTIFY, SERVICE_STARTING, SERVICE_READY, SERVICE_BACKOFF },
		{ SERVICE_ONESHOT, SERVICE_STARTING, SERVICE_STARTING, SERVICE_READY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		f->config.type = expected[i].type;
		put_into(f, SERVICE_STARTING);
		event(f, SERVICE_EXECED, T0);
		in_state(f, expected[i].execed);
		put_into(f, SERVICE_STARTING);
		event(f, SERVICE_SAID_READY, T0);
		in_state(f, expected[i].said_ready);
		put_into(f, SERVICE_STARTING);
		exits(f, EXITED(0), T0);
		in_state(f, expected[i].exited_0);
	}
}

/* A oneshot is ready when it has ended with 0; it has no process then, and nothing that could
 * starve. */
static void test_oneshot(void **state)
{
	struct fixture *f = *state;

	f->config.type = SERVICE_ONESHOT;
	event(f, SERVICE_START, T0);
	event(f, SERVICE_EXECED, T0 + 1);
	in_state(f, SERVICE_STARTING);
	exits(f, EXITED(3), T0 + 2);
	in_state(f, SERVICE_BACKOFF);
	assert_string_equal(f->service.problem, "exited with 3");
	event(f, SERVICE_DEADLINE, T0 + 102);
	event(f, SERVICE_START, T0 + 102);
	exits(f, EXITED(0), T0 + 150);
	in_state(f, SERVICE_READY);
	assert_int_equal(f->service.pid, 0);
	assert_int_equal(f->service.failures, 0);
	assert_string_equal(f->service.problem, "");
	assert_true(service_next_deadline(&f->service) == NEVER);
	fake_did(&f->fake);
	event(f, SERVICE_STOP, T0 + 200);
	in_state(f, SERVICE_STOPPED);
	did(f, "");
}

/* restart=, the code and whether it was asked for: what an end leads to. */
static void test_restart_policies(void **state)
{
	static const struct {
		enum restart_policy policy;
		int wait_status;
		enum service_state state;
	} expected[] = {
		{ RESTART_NO, EXITED(0), SERVICE_STOPPED },
		{ RESTART_NO, EXITED(1), SERVICE_FAILED },
		{ RESTART_NO, KILLED(SIGSEGV), SERVICE_FAILED },
		{ RESTART_ON_FAILURE, EXITED(0), SERVICE_STOPPED },
		{ RESTART_ON_FAILURE, EXITED(1), SERVICE_BACKOFF },
		{ RESTART_ON_FAILURE, KILLED(SIGTERM), SERVICE_BACKOFF },
		{ RESTART_ALWAYS, EXITED(0), SERVICE_BACKOFF },
		{ RESTART_ALWAYS, EXITED(1), SERVICE_BACKOFF },
		{ RESTART_ALWAYS, KILLED(SIGKILL), SERVICE_BACKOFF },
		{ RESTART_ALWAYS, EXITED(7), SERVICE_FAILED },
		{ RESTART_ON_FAILURE, EXITED(7), SERVICE_FAILED },
		{ RESTART_NO, EXITED(7), SERVICE_FAILED },
		/* Dying by signal 7 is not exiting with 7. */
		{ RESTART_ALWAYS, KILLED(7), SERVICE_BACKOFF },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		f->config.restart = expected[i].policy;
		put_into(f, SERVICE_READY);
		exits(f, expected[i].wait_status, T0);
		in_state(f, expected[i].state);
		assert_int_equal(f->service.restarts, expected[i].state == SERVICE_BACKOFF ? 2 : 1);
	}
}

static void test_final_codes(void **state)
{
	struct fixture *f = *state;

	for (int code = 0; code < 256; code++) {
		memset(f->config.final_codes, 0, sizeof(f->config.final_codes));
		f->config.final_codes[code / 32] = 1U << (code % 32);
		f->config.restart = RESTART_ALWAYS;
		for (int other = 0; other < 256; other++) {
			put_into(f, SERVICE_READY);
			exits(f, EXITED(other), T0);
			if (other != code)
				in_state(f, SERVICE_BACKOFF);
			else
				in_state(f, code ? SERVICE_FAILED : SERVICE_STOPPED);
			assert_int_equal(service_has_finished(&f->service), other == code);
		}
	}
}

/* Crashes at once, always: backoff doubles up to its limit, then it has failed for good. */
static void test_backoff(void **state)
{
	static const int waits[] = { 100, 200, 400, 800, 1000, 1000 };
	struct fixture *f = *state;
	int64_t now = T0;

	f->config.restart_limit = ARRAY_SIZE(waits) + 1;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		event(f, SERVICE_START, now);
		now += 10;
		exits(f, EXITED(1), now);
		in_state(f, SERVICE_BACKOFF);
		assert_true(f->service.deadline == now + waits[i]);
		assert_int_equal(f->service.failures, i + 1);
		assert_int_equal(f->service.restarts, i + 1);
		now += waits[i];
		event(f, SERVICE_DEADLINE, now);
		in_state(f, SERVICE_WAITING);
	}
	event(f, SERVICE_START, now);
	exits(f, KILLED(SIGSEGV), now);
	in_state(f, SERVICE_FAILED);
	assert_true(service_is_down(&f->service));
	assert_string_equal(f->service.problem, "killed by SIGSEGV");
	assert_int_equal(service_exit_code(&f->service), 128 + SIGSEGV);
	assert_int_equal(f->service.restarts, ARRAY_SIZE(waits));
}

/* Chance makes a pause longer, by a tenth at most, and never shorter. */
static void test_jitter(void **state)
{
	static const struct {
		unsigned chance;
		int wait;
	} cases[] = { { 0, 100 }, { 7, 107 }, { 10, 110 }, { 1000, 110 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->fake.chance = cases[i].chance;
		put_into(f, SERVICE_READY);
		f->service.failures = f->service.tries = 0;
		exits(f, EXITED(1), T0);
		in_state(f, SERVICE_BACKOFF);
		assert_true(f->service.deadline == T0 + cases[i].wait);
	}
}

/* No limit: the wait stays at its maximum, whatever the count, and does not overflow. */
static void test_no_limit(void **state)
{
	struct fixture *f = *state;

	f->config.restart_limit = 0;
	f->config.backoff = 2000000000;
	f->config.backoff_max = 2147483647;
	for (unsigned i = 1; i < 100; i++) {
		put_into(f, SERVICE_READY);
		f->service.failures = f->service.tries = i;
		exits(f, EXITED(1), T0);
		in_state(f, SERVICE_BACKOFF);
		assert_true(f->service.deadline == T0 + 2147483647);
	}
	/* Nor does it underflow: no backoff is no wait. */
	f->config.backoff = 0;
	put_into(f, SERVICE_READY);
	exits(f, EXITED(1), T0);
	assert_true(f->service.deadline == T0);
}

/*
 * A clean end that is followed by a restart counts as no failure. But what ends again and again, as a
 * program that puts itself into the background, waits longer each time, until it lives for a while.
 */
static void test_clean_restart(void **state)
{
	static const int waits[] = { 100, 200, 400, 800, 1000, 1000, 1000 };
	struct fixture *f = *state;
	int64_t now = T0;

	f->config.type = SERVICE_SIMPLE;
	f->config.restart = RESTART_ALWAYS;
	f->config.restart_limit = 1;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		event(f, SERVICE_START, now);
		event(f, SERVICE_EXECED, now);
		in_state(f, SERVICE_READY);
		now += f->config.healthy_after - 1;
		exits(f, EXITED(0), now);
		in_state(f, SERVICE_BACKOFF);
		assert_int_equal(f->service.failures, 0);
		assert_true(f->service.deadline == now + waits[i]);
		now += waits[i];
		event(f, SERVICE_DEADLINE, now);
	}
	event(f, SERVICE_START, now);
	event(f, SERVICE_EXECED, now);
	now += f->config.healthy_after;
	exits(f, EXITED(0), now);
	assert_true(f->service.deadline == now + 100);
}

/* Time in which nobody ran is nobody's. */
static void test_lost_time(void **state)
{
	struct fixture *f = *state;

	event(f, SERVICE_START, T0);
	f->service.reload_ends = T0 + 5;
	service_lost(&f->service, 1000);
	assert_true(f->service.deadline == T0 + 3000);
	assert_true(f->service.starves == T0 + 1400);
	assert_true(f->service.reload_ends == T0 + 1005);
	event(f, SERVICE_STOP, T0 + 1000);
	service_lost(&f->service, 1000);
	assert_true(f->service.deadline == T0 + 5000);
	/* Nor does it become something to ask for twice. */
	service_extend(&f->service, INT_MAX, T0 + 2000);
	assert_true(f->service.deadline == T0 + 5000 + SERVICE_EXTEND_MAX_MS);
	exits(f, EXITED(0), T0 + 2000);
	f->service.reload_ends = NEVER;
	service_lost(&f->service, 1000);
	assert_true(service_next_deadline(&f->service) == NEVER);
	assert_true(f->service.latest == NEVER);
}

/* What counts as a healthy life is the time it was ready, not the time it took to fail. */
static void test_healthy_after(void **state)
{
	struct fixture *f = *state;

	for (int64_t life = 4999; life <= 5000; life++) {
		put_into(f, SERVICE_READY);
		f->service.failures = 3;
		f->service.since = T0 - life;
		exits(f, EXITED(1), T0);
		in_state(f, life < 5000 ? SERVICE_FAILED : SERVICE_BACKOFF);
		assert_int_equal(f->service.failures, life < 5000 ? 4 : 1);

		put_into(f, SERVICE_READY);
		f->service.failures = 3;
		f->service.since = T0 - life;
		event(f, SERVICE_STARVED, T0);
		exits(f, KILLED(SIGABRT), T0 + 2999);
		in_state(f, life < 5000 ? SERVICE_FAILED : SERVICE_BACKOFF);
	}
	/* It hung for a long time while it started, and then crashed, or had to be ended. */
	put_into(f, SERVICE_STARTING);
	f->service.failures = 3;
	f->service.since = f->service.started = T0 - 60000;
	exits(f, EXITED(1), T0);
	in_state(f, SERVICE_FAILED);
	put_into(f, SERVICE_STARTING);
	f->service.failures = 3;
	f->service.since = f->service.started = T0 - 60000;
	event(f, SERVICE_DEADLINE, T0);
	exits(f, KILLED(SIGTERM), T0 + 10);
	in_state(f, SERVICE_FAILED);
}

static void test_start_timeout(void **state)
{
	struct fixture *f = *state;

	f->config.watchdog = 0;
	event(f, SERVICE_START, T0);
	assert_true(service_next_deadline(&f->service) == T0 + 2000);
	event(f, SERVICE_DEADLINE, T0 + 2000);
	did(f, "spawn s=100; kill s TERM 0");
	in_state(f, SERVICE_ENDING);
	assert_string_equal(f->service.problem, "not ready after 2000 ms");
	/* Too late. */
	event(f, SERVICE_SAID_READY, T0 + 2001);
	in_state(f, SERVICE_ENDING);
	event(f, SERVICE_DEADLINE, T0 + 5000);
	did(f, "kill s KILL 0");
	assert_true(f->service.killed);
	exits(f, KILLED(SIGKILL), T0 + 5001);
	in_state(f, SERVICE_BACKOFF);
	assert_string_equal(f->service.problem, "not ready after 2000 ms");
	/* No limit: it may take as long as it takes. */
	f->config.start_timeout = 0;
	put_into(f, SERVICE_WAITING);
	event(f, SERVICE_START, T0);
	assert_true(service_next_deadline(&f->service) == NEVER);
}

static void test_watchdog(void **state)
{
	struct fixture *f = *state;

	put_into(f, SERVICE_READY);
	event(f, SERVICE_STARVED, T0);
	did(f, "kill s ABRT 0");
	assert_string_equal(f->service.problem, "no WATCHDOG=1 for 400 ms");
	/* Feeding a service that is being ended changes nothing. */
	service_feed(&f->service, T0 + 1);
	assert_true(f->service.starves == NEVER);
	event(f, SERVICE_DEADLINE, T0 + 3000);
	did(f, "kill s KILL 0");
	exits(f, KILLED(SIGKILL), T0 + 3001);
	in_state(f, SERVICE_BACKOFF);
	/* Without a watchdog feeding starts none. */
	f->config.watchdog = 0;
	event(f, SERVICE_DEADLINE, T0 + 4000);
	event(f, SERVICE_START, T0 + 4000);
	event(f, SERVICE_SAID_READY, T0 + 4001);
	service_feed(&f->service, T0 + 4002);
	assert_true(service_next_deadline(&f->service) == NEVER);
}

/* SIGKILL does not help: the kernel holds the process, and everybody else goes on without it. */
static void test_survives_sigkill(void **state)
{
	static const enum service_state states[] = { SERVICE_STOPPING, SERVICE_ENDING };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		put_into(f, states[i]);
		event(f, SERVICE_DEADLINE, T0);
		did(f, "kill s KILL 0");
		in_state(f, states[i]);
		event(f, SERVICE_DEADLINE, T0 + SERVICE_KILL_PATIENCE_MS);
		did(f, "");
		in_state(f, SERVICE_FAILED);
		assert_int_equal(f->service.pid, 0);
		assert_string_equal(f->service.problem, "pid 77 survives SIGKILL");
		assert_true(service_next_deadline(&f->service) == NEVER);
	}
}

/* The stop signal of a main service that has not spoken yet waits for its first word, or a second.
 */
static void test_hold(void **state)
{
	static const struct {
		bool is_main, spoke;
		enum service_type type;
		bool holds;
	} cases[] = {
		{ true, false, SERVICE_NOTIFY, true },	 { true, true, SERVICE_NOTIFY, false },
		{ false, false, SERVICE_NOTIFY, false }, { true, false, SERVICE_SIMPLE, false },
		{ true, false, SERVICE_ONESHOT, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->config.main = cases[i].is_main;
		f->config.type = cases[i].type;
		put_into(f, SERVICE_STARTING);
		f->service.spoke = cases[i].spoke;
		event(f, SERVICE_STOP, T0);
		in_state(f, cases[i].holds ? SERVICE_HOLDING : SERVICE_STOPPING);
		did(f, cases[i].holds ? "" : "kill s TERM 9");
		assert_true(f->service.deadline == T0 + (cases[i].holds ? SERVICE_HOLD_MS : 3009));
	}
	/* A ready service has spoken, or never will. */
	f->config.main = true;
	put_into(f, SERVICE_READY);
	event(f, SERVICE_STOP, T0);
	did(f, "kill s TERM 9");
}

static void test_stop_settings(void **state)
{
	struct fixture *f = *state;

	f->config.stop_signal = SIGUSR1;
	f->config.stop_timeout = 0;
	put_into(f, SERVICE_READY);
	f->service.stop_value = 0;
	event(f, SERVICE_STOP, T0);
	did(f, "kill s USR1 0");
	assert_true(f->service.deadline == NEVER);
	/* The largest values do not overflow. */
	f->config.stop_timeout = 2147483647;
	put_into(f, SERVICE_READY);
	f->service.stop_value = 2147483647;
	f->service.stop_extra = 2147483647;
	event(f, SERVICE_STOP, T0);
	assert_true(f->service.deadline == T0 + INT64_C(6442450941));
}

/* No process can be made: that has its wait, but it is no fault of the service's and has no limit.
 */
static void test_spawn_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.spawn_error = -EAGAIN;
	event(f, SERVICE_START, T0);
	in_state(f, SERVICE_BACKOFF);
	assert_int_equal(f->service.pid, 0);
	assert_string_equal(f->service.problem, "no process: Resource temporarily unavailable");
	assert_int_equal(service_exit_code(&f->service), 126);
	f->fake.spawn_error = 0;
	event(f, SERVICE_DEADLINE, T0 + 100);
	event(f, SERVICE_START, T0 + 100);
	in_state(f, SERVICE_STARTING);
	f->fake.spawn_error = -ENOMEM;
	f->config.restart = RESTART_NO;
	put_into(f, SERVICE_WAITING);
	f->service.failures = f->service.tries = 0;
	for (int i = 0; i < 20; i++) {
		event(f, SERVICE_START, T0);
		in_state(f, SERVICE_BACKOFF);
		assert_true(f->service.deadline == T0 + (i < 4 ? 100 << i : 1000));
		event(f, SERVICE_DEADLINE, T0);
	}
	assert_int_equal(f->service.failures, 0);
	/* What it does once it runs counts as ever. */
	f->fake.spawn_error = 0;
	f->config.restart = RESTART_ON_FAILURE;
	event(f, SERVICE_START, T0);
	exits(f, EXITED(1), T0);
	in_state(f, SERVICE_BACKOFF);
	assert_int_equal(f->service.failures, 1);
	assert_true(f->service.deadline == T0 + 1000);
}

/* What was wanting when it was to become the program may be there the next time. */
static void test_exec_stalls(void **state)
{
	static const struct {
		int error;
		bool passes;
	} cases[] = { { EAGAIN, true },	  { ENOMEM, true },	  { ETXTBSY, true },
		      { ENFILE, true },	  { EMFILE, true },	  { EIO, true },
		      { ENOENT, false },  { EACCES, false },	  { ENOTDIR, false },
		      { ENOEXEC, false }, { ELOOP, false },	  { EISDIR, false },
		      { EPERM, false },	  { ENAMETOOLONG, false } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->config.restart_limit = 1;
		put_into(f, SERVICE_WAITING);
		f->service.failures = f->service.tries = 0;
		event(f, SERVICE_START, T0);
		f->service.exec_error = cases[i].error;
		event(f, SERVICE_EXEC_FAILED, T0);
		exits(f, EXITED(126), T0);
		in_state(f, cases[i].passes ? SERVICE_BACKOFF : SERVICE_FAILED);
		assert_int_equal(f->service.failures, !cases[i].passes);
		assert_int_equal(service_exit_code(&f->service), 126);
		if (!cases[i].passes)
			continue;
		assert_true(f->service.deadline == T0 + 100);
		/* The next process is another one. */
		event(f, SERVICE_DEADLINE, T0 + 100);
		event(f, SERVICE_START, T0 + 100);
		assert_false(f->service.stalled);
		exits(f, EXITED(126), T0 + 100);
		in_state(f, SERVICE_FAILED);
	}
}

/* There is no such program: starting it again would change nothing. */
static void test_exec_failed(void **state)
{
	struct fixture *f = *state;

	event(f, SERVICE_START, T0);
	event(f, SERVICE_EXEC_FAILED, T0);
	in_state(f, SERVICE_STARTING);
	strcpy(f->service.problem, "exec /x: No such file or directory");
	exits(f, EXITED(127), T0 + 1);
	in_state(f, SERVICE_FAILED);
	assert_string_equal(f->service.problem, "exec /x: No such file or directory");
	assert_int_equal(service_exit_code(&f->service), 127);
	/* The next process is another one. */
	put_into(f, SERVICE_STOPPED);
	f->service.exec_failed = f->service.killed = f->service.spoke = true;
	strcpy(f->service.status, "old words");
	event(f, SERVICE_START, T0);
	assert_false(f->service.exec_failed || f->service.killed || f->service.spoke);
	assert_string_equal(f->service.status, "");
}

static void test_extend(void **state)
{
	struct fixture *f = *state;

	put_into(f, SERVICE_STARTING);
	f->service.latest = NEVER;
	service_extend(&f->service, 10, T0);
	assert_true(f->service.deadline == T0 + 50);
	service_extend(&f->service, 51, T0);
	assert_true(f->service.deadline == T0 + 51);
	/* Not where there is no deadline, and not once it is being killed. */
	put_into(f, SERVICE_READY);
	service_extend(&f->service, 1000, T0);
	assert_true(f->service.deadline == NEVER);
	put_into(f, SERVICE_STOPPING);
	f->service.killed = true;
	service_extend(&f->service, 1000, T0);
	assert_true(f->service.deadline == T0 + 50);
}

/* Who is being ended and asks for more time for ever is killed all the same. */
static void test_extend_for_ever(void **state)
{
	static const enum service_event ends[] = { SERVICE_STOP, SERVICE_STARVED };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		int64_t given = ends[i] == SERVICE_STOP ? 3009 : 3000;
		int64_t now = T0;

		put_into(f, SERVICE_READY);
		event(f, ends[i], T0);
		assert_true(f->service.deadline == T0 + given);
		for (; now < f->service.deadline && now < T0 + 1000000; now += 1000)
			service_extend(&f->service, 5000, now);
		assert_true(f->service.deadline == T0 + given + SERVICE_EXTEND_MAX_MS);
		/* Asked to stop meanwhile: that buys no time either. */
		if (ends[i] == SERVICE_STARVED)
			event(f, SERVICE_STOP, T0 + 10000);
		service_extend(&f->service, INT64_C(1) << 31, T0 + 10000);
		assert_true(f->service.deadline == T0 + given + SERVICE_EXTEND_MAX_MS);
		fake_did(&f->fake);
		event(f, SERVICE_DEADLINE, f->service.deadline);
		did(f, "kill s KILL 0");
	}
	/* A start may take as long as it says. */
	put_into(f, SERVICE_WAITING);
	event(f, SERVICE_START, T0);
	service_extend(&f->service, 1000000, T0);
	assert_true(f->service.deadline == T0 + 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_types),
		TEST(test_oneshot),
		TEST(test_restart_policies),
		TEST(test_final_codes),
		TEST(test_backoff),
		TEST(test_jitter),
		TEST(test_no_limit),
		TEST(test_clean_restart),
		TEST(test_lost_time),
		TEST(test_healthy_after),
		TEST(test_start_timeout),
		TEST(test_watchdog),
		TEST(test_survives_sigkill),
		TEST(test_hold),
		TEST(test_stop_settings),
		TEST(test_spawn_fails),
		TEST(test_exec_failed),
		TEST(test_exec_stalls),
		TEST(test_extend),
		TEST(test_extend_for_ever),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
