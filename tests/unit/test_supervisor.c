/* All services together: the order they start and stop in, what ends the container, and with which
 * code. */
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_start_order(void **state)
{
	struct fixture *f = *state;

	step(f);
	did(f, "spawn a=100; spawn c=101");
	assert_int_equal(f->supervisor.overall, OVERALL_STARTING);
	assert_string_equal(f->supervisor.overall_reason, "a is starting");
	says(f, A, "STATUS=loading");
	did(f, "");
	says(f, A, "READY=1");
	did(f, "spawn b=102");
	dies(f, C, EXITED(0));
	did(f, "spawn d=103");
	says(f, B, "READY=1");
	did(f, "");
	execs(f, D);
	did(f, "spawn m=104");
	says(f, M, "READY=1");
	did(f, "");
	assert_int_equal(f->supervisor.overall, OVERALL_READY);
	assert_true(supervisor_next_deadline(&f->supervisor) == NEVER);
}

/* A restart of one restarts no other, and who is not running yet waits for it again. */
static void test_restart_of_one(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	dies(f, A, KILLED(SIGKILL));
	is(f, A, SERVICE_BACKOFF);
	assert_int_equal(f->supervisor.overall, OVERALL_DEGRADED);
	assert_string_equal(f->supervisor.overall_reason, "a is backoff: killed by SIGKILL");
	assert_null(supervisor_health(&f->supervisor));
	dies(f, B, EXITED(1));
	pass(f, 100);
	did(f, "spawn a=105");
	is(f, B, SERVICE_WAITING);
	says(f, A, "READY=1");
	did(f, "spawn b=106");
	says(f, B, "READY=1");
	is(f, M, SERVICE_READY);
	did(f, "");
	assert_int_equal(f->supervisor.overall, OVERALL_READY);
}

/* In reverse order, each only when nobody needs it any more; the main service gets the time that
 * the guest has. */
static void test_stop_order(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	assert_int_equal(f->supervisor.overall, OVERALL_STOPPING);
	assert_string_equal(f->supervisor.overall_reason, "SIGTERM");
	/* A second one, and a third, change nothing. */
	f->now += 1000;
	supervisor_stop(&f->supervisor, "SIGPWR", f->now);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "");
	assert_true(supervisor_next_deadline(&f->supervisor) == 1000000 + 62000);
	dies(f, M, EXITED(0));
	did(f, "kill d TERM 0; kill b TERM 0");
	dies(f, B, KILLED(SIGTERM));
	did(f, "kill a TERM 0");
	dies(f, A, EXITED(0));
	did(f, "");
	is(f, C, SERVICE_READY);
	f->supervisor.no_children = true;
	dies(f, D, KILLED(SIGTERM));
	did(f, "");
	is(f, C, SERVICE_STOPPED);
	assert_int_equal(f->supervisor.phase, PHASE_DONE);
	assert_int_equal(f->supervisor.exit_code, 0);
	assert_string_equal(f->supervisor.reason, "SIGTERM");
	assert_int_equal(f->supervisor.overall, OVERALL_STOPPED);
}

/* Asked to stop after every step of the start: only what was started is stopped, and nothing is
 * started any more. */
static void test_stop_while_starting(void **state)
{
	struct fixture *f = *state;

	for (int done = 0; done <= 4; done++) {
		again(f);
		step(f);
		if (done > 0)
			says(f, A, "READY=1");
		if (done > 1)
			dies(f, C, EXITED(0));
		if (done > 2)
			says(f, B, "READY=1");
		if (done > 3)
			execs(f, D);
		fake_did(&f->fake);
		supervisor_stop(&f->supervisor, "SIGTERM", f->now);
		step(f);
		switch (done) {
		case 0: did(f, "kill c TERM 0; kill a TERM 0"); break;
		case 1: did(f, "kill c TERM 0; kill b TERM 0"); break;
		case 2: did(f, "kill d TERM 0; kill b TERM 0"); break;
		case 3: did(f, "kill d TERM 0; kill b TERM 0"); break;
		/* The main service has not said a word yet: its signal waits, and all others with
		 * it. */
		default:
			did(f, "");
			is(f, M, SERVICE_HOLDING);
			break;
		}
		if (done == 4) {
			says(f, M, "STATUS=here");
			did(f, "kill m TERM 60000");
		}
		for (int round = 0; round < N_SERVICES; round++) {
			for (int i = 0; i < N_SERVICES; i++) {
				if (f->supervisor.services[i].state == SERVICE_STOPPING)
					dies(f, i, KILLED(SIGTERM));
			}
		}
		assert_null(strstr(fake_did(&f->fake), "spawn"));
		for (int i = 0; i < N_SERVICES; i++)
			is(f, i, SERVICE_STOPPED);
		assert_int_equal(f->supervisor.phase, PHASE_REST);
		assert_int_equal(f->supervisor.exit_code, done < 4 ? 0 : 128 + SIGTERM);
	}
}

static void test_nothing_configured(void **state)
{
	struct fixture *f = *state;

	f->config.n_services = 0;
	supervisor_init(&f->supervisor, &f->config, &f->fake.effects, f->now);
	f->supervisor.no_children = true;
	step(f);
	assert_int_equal(f->supervisor.overall, OVERALL_READY);
	assert_true(supervisor_next_deadline(&f->supervisor) == NEVER);
	supervisor_stop(&f->supervisor, "SIGINT", f->now);
	step(f);
	did(f, "");
	assert_int_equal(f->supervisor.phase, PHASE_DONE);
	assert_int_equal(f->supervisor.exit_code, 0);
}

/* A service that is needed by somebody who still stops is started again. */
static void test_needed_while_stopping(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	dies(f, B, KILLED(SIGSEGV));
	pass(f, 100);
	did(f, "spawn b=105");
	says(f, B, "READY=1");
	is(f, B, SERVICE_READY);
	dies(f, M, EXITED(0));
	did(f, "kill d TERM 0; kill b TERM 0");
	/* Nobody needs it now. */
	dies(f, D, EXITED(1));
	pass(f, 1000);
	did(f, "");
	is(f, D, SERVICE_STOPPED);
}

/* The main service's end is the container's end, its code the container's. */
static void test_main_codes(void **state)
{
	struct fixture *f = *state;

	for (int code = 0; code < 256 + 64; code++) {
		int wait_status = code < 256 ? EXITED(code) : KILLED(code - 255);

		memset(&f->supervisor, 0, sizeof(f->supervisor));
		fake_init(&f->fake);
		f->config.services[M].restart = RESTART_NO;
		supervisor_init(&f->supervisor, &f->config, &f->fake.effects, f->now);
		start_all(f);
		dies(f, M, wait_status);
		assert_int_equal(f->supervisor.phase, PHASE_STOP);
		did(f, "kill d TERM 0; kill b TERM 0");
		dies(f, B, KILLED(SIGTERM));
		dies(f, D, KILLED(SIGTERM));
		f->supervisor.no_children = true;
		dies(f, A, KILLED(SIGTERM));
		assert_int_equal(f->supervisor.phase, PHASE_DONE);
		assert_int_equal(f->supervisor.exit_code, code < 256 ? code : 128 + code - 255);
		assert_int_equal(f->supervisor.overall, code ? OVERALL_FAILED : OVERALL_STOPPED);
		assert_int_equal(strncmp(f->supervisor.reason, "m ended: ", 9), 0);
	}
}

/* A fault of the main service's is followed by a new start, a final code is not. */
static void test_main_restarts(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	dies(f, M, KILLED(SIGSEGV));
	assert_int_equal(f->supervisor.phase, PHASE_RUN);
	pass(f, 100);
	did(f, "spawn m=105");
	says(f, M, "READY=1");
	dies(f, M, EXITED(7));
	assert_int_equal(f->supervisor.phase, PHASE_STOP);
	assert_int_equal(f->supervisor.exit_code, 7);
}

static void test_critical(void **state)
{
	static const struct {
		int wait_status, code;
	} cases[] = {
		{ EXITED(1), 12 },  { EXITED(64), 64 }, { EXITED(69), 69 },	 { EXITED(78), 78 },
		{ EXITED(10), 12 }, { EXITED(65), 12 }, { KILLED(SIGKILL), 12 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		again(f);
		step(f);
		fake_did(&f->fake);
		dies(f, C, cases[i].wait_status);
		is(f, C, SERVICE_FAILED);
		did(f, "kill a TERM 0");
		assert_int_equal(f->supervisor.exit_code, cases[i].code);
		assert_int_equal(f->supervisor.overall, OVERALL_STOPPING);
		assert_memory_equal(f->supervisor.reason, "c failed for good: ", 19);
		assert_non_null(supervisor_health(&f->supervisor));
	}
}

/* The guest is shut down in order before the container ends with 12, and what the keeper's code is
 * does not matter. */
static void test_critical_with_guest(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	for (int i = 0; i < 3; i++) {
		dies(f, A, EXITED(1));
		pass(f, 1000);
	}
	/* The last is the chance that it gets while others need it. */
	is(f, A, SERVICE_STARTING);
	did(f, "spawn a=105; spawn a=106; spawn a=107; kill m TERM 60000");
	dies(f, M, EXITED(0));
	assert_int_equal(f->supervisor.exit_code, 12);
}

/* What the keeper needs to shut the guest down failed for good: it gets one more chance, and what
 * it needs stays. */
static void test_forgiven(void **state)
{
	struct fixture *f = *state;

	f->config.services[B].restart_limit = 1;
	start_with_guest(f);
	dies(f, B, EXITED(1));
	did(f, "spawn b=105; kill m TERM 60000");
	is(f, A, SERVICE_READY);
	assert_int_equal(f->supervisor.exit_code, 12);
	assert_int_equal(f->supervisor.services[B].restarts, 1);
	says(f, B, "READY=1");
	did(f, "");
	dies(f, M, EXITED(0));
	did(f, "kill d TERM 0; kill b TERM 0");
	dies(f, B, EXITED(0));
	did(f, "kill a TERM 0");
	assert_int_equal(f->supervisor.exit_code, 12);
	/* Once. Then what it was after is not needed any more. */
	again(f);
	start_with_guest(f);
	dies(f, B, EXITED(1));
	did(f, "spawn b=105; kill m TERM 60000");
	dies(f, B, EXITED(1));
	is(f, B, SERVICE_FAILED);
	did(f, "kill a TERM 0");
	pass(f, 1000);
	is(f, B, SERVICE_FAILED);
	assert_int_equal(f->supervisor.exit_code, 12);
}

/* All that it takes is down: in the order of the start. */
static void test_forgiven_chain(void **state)
{
	struct fixture *f = *state;

	f->config.services[A].critical = f->config.services[B].critical = false;
	f->config.services[A].restart_limit = f->config.services[B].restart_limit = 1;
	start_with_guest(f);
	dies(f, A, EXITED(1));
	dies(f, B, EXITED(1));
	did(f, "");
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "spawn a=105; kill m TERM 60000");
	says(f, A, "READY=1");
	did(f, "spawn b=106");
	dies(f, M, EXITED(0));
	assert_int_equal(f->supervisor.exit_code, 0);
}

/* Not without a guest, not for nobody, and not when its time is over. */
static void test_not_forgiven(void **state)
{
	struct fixture *f = *state;

	f->config.services[B].restart_limit = f->config.services[A].restart_limit = 1;
	start_all(f);
	dies(f, B, EXITED(1));
	did(f, "kill m TERM 60000; kill a TERM 0");
	again(f);
	start_with_guest(f);
	f->supervisor.services[B].killed = true;
	dies(f, B, EXITED(1));
	did(f, "kill m TERM 60000; kill a TERM 0");
	again(f);
	start_with_guest(f);
	supervisor_hurry(&f->supervisor, f->now);
	step(f);
	did(f, "kill m TERM 1");
	dies(f, B, EXITED(1));
	did(f, "kill a TERM 0");
	is(f, B, SERVICE_FAILED);
}

/* One that is not critical may fail for good: the container lives on, and says so. */
static void test_not_critical(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	for (int i = 0; i < 3; i++) {
		dies(f, D, EXITED(9));
		pass(f, 1000);
		if (f->supervisor.services[D].state == SERVICE_STARTING)
			execs(f, D);
	}
	is(f, D, SERVICE_FAILED);
	assert_int_equal(f->supervisor.phase, PHASE_RUN);
	assert_int_equal(f->supervisor.overall, OVERALL_DEGRADED);
	assert_string_equal(supervisor_health(&f->supervisor), "d is failed: exited with 9");
}

/* No process can be made for services that are critical, again and again: they wait until one can.
 */
static void test_no_process(void **state)
{
	struct fixture *f = *state;

	f->config.services[C].restart_limit = 3;
	f->fake.spawn_error = -EAGAIN;
	step(f);
	is(f, A, SERVICE_BACKOFF);
	is(f, C, SERVICE_BACKOFF);
	pass(f, 300);
	did(f, "spawn a fails; spawn c fails; spawn a fails; spawn c fails; spawn a fails; spawn c "
	       "fails");
	pass(f, 60000);
	assert_int_equal(f->supervisor.phase, PHASE_RUN);
	assert_null(supervisor_health(&f->supervisor));
	f->fake.spawn_error = 0;
	fake_did(&f->fake);
	pass(f, 1000);
	is(f, A, SERVICE_STARTING);
	is(f, C, SERVICE_STARTING);
}

static void test_kill_at_stop(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	pass(f, 61999);
	did(f, "kill m TERM 60000");
	pass(f, 1);
	did(f, "kill m KILL 0");
	dies(f, M, KILLED(SIGKILL));
	assert_int_equal(f->supervisor.exit_code, 10);
	did(f, "kill d TERM 0; kill b TERM 0");
	pass(f, 2000);
	did(f, "kill b KILL 0; kill d KILL 0");
}

static void test_watchdog_and_timeouts(void **state)
{
	struct fixture *f = *state;

	f->config.services[M].watchdog = 1000;
	start_all(f);
	for (int i = 0; i < 10; i++) {
		pass(f, 900);
		says(f, M, "WATCHDOG=1");
	}
	did(f, "");
	pass(f, 1000);
	did(f, "kill m ABRT 0");
	dies(f, M, KILLED(SIGABRT));
	is(f, M, SERVICE_BACKOFF);
	pass(f, 100);
	did(f, "spawn m=105");
	/* It does not become ready; but it asks for more time, again and again. */
	for (int i = 0; i < 10; i++) {
		says(f, M, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=5000000");
		pass(f, 999);
	}
	did(f, "");
	says(f, M, "WATCHDOG=1");
	pass(f, 999);
	says(f, M, "WATCHDOG=1");
	pass(f, 999);
	says(f, M, "WATCHDOG=1");
	pass(f, 999);
	says(f, M, "WATCHDOG=1");
	pass(f, 999);
	says(f, M, "WATCHDOG=1");
	pass(f, 999);
	did(f, "kill m ABRT 0"); /* not TERM: the guest is to live */
}

/* The container was paused in the middle of a stop: whatever is due is due as much later. */
static void test_paused(void **state)
{
	struct fixture *f = *state;

	f->config.services[M].watchdog = 1000;
	start_all(f);
	assert_false(supervisor_is_timing(&f->supervisor));
	f->now += 3600000;
	supervisor_lost(&f->supervisor, 3600000);
	step(f);
	did(f, "");
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	assert_true(supervisor_is_timing(&f->supervisor));
	says(f, M, "WATCHDOG=1");
	f->now += 3600000;
	supervisor_lost(&f->supervisor, 3600000);
	step(f);
	did(f, "");
	/* Whoever starts it again in mid-stop gives it what is left. */
	assert_true(f->supervisor.stop_deadline == f->now + 60000);
	dies(f, M, EXITED(0));
	dies(f, B, EXITED(0));
	dies(f, D, EXITED(0));
	dies(f, A, EXITED(0));
	fake_did(&f->fake);
	assert_true(supervisor_is_timing(&f->supervisor));
	f->now += 3600000;
	supervisor_lost(&f->supervisor, 3600000);
	step(f);
	did(f, "rest TERM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_order),
		TEST(test_restart_of_one),
		TEST(test_stop_order),
		TEST(test_stop_while_starting),
		TEST(test_nothing_configured),
		TEST(test_needed_while_stopping),
		TEST(test_main_codes),
		TEST(test_main_restarts),
		TEST(test_critical),
		TEST(test_critical_with_guest),
		TEST(test_forgiven),
		TEST(test_forgiven_chain),
		TEST(test_not_forgiven),
		TEST(test_not_critical),
		TEST(test_no_process),
		TEST(test_kill_at_stop),
		TEST(test_watchdog_and_timeouts),
		TEST(test_paused),
	};

	return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
