/* The guest and its keeper in the supervisor: shutdown in a hurry, a keeper that dies, QEMU reaped,
 * the rest, the one word. */
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The deadline of the guest is now; asking again must not put it off. */
static void test_hurry(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGINT", f->now);
	step(f);
	pass(f, 500);
	did(f, "kill m TERM 60000");
	supervisor_hurry(&f->supervisor, f->now);
	step(f);
	did(f, "kill m QUIT 0");
	for (int i = 0; i < 3; i++) {
		pass(f, 500);
		supervisor_hurry(&f->supervisor, f->now);
		step(f);
	}
	did(f, "kill m QUIT 0; kill m QUIT 0; kill m QUIT 0");
	pass(f, 499);
	did(f, "");
	pass(f, 1);
	did(f, "kill m KILL 0");
	supervisor_hurry(&f->supervisor, f->now);
	did(f, "");
}

/* A guest that is saved at the deadline has its time for that, and the container's stop with it; whoever is in a hurry
 * twice has not. */
static void test_save(void **state)
{
	struct fixture *f = *state;
	int64_t without = supervisor_stop_time(&f->supervisor);

	f->config.stop.on_deadline = ON_DEADLINE_SAVE;
	f->config.stop.save_timeout = 30000;
	assert_int_equal(supervisor_stop_time(&f->supervisor), without + 30000);
	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	pass(f, 60000 + 30000 + 2000 - 1);
	did(f, "");
	pass(f, 1);
	did(f, "kill m KILL 0");
	again(f);
	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGINT", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	pass(f, 500);
	supervisor_hurry(&f->supervisor, f->now);
	did(f, "kill m QUIT 0");
	pass(f, 10000);
	did(f, "");
	supervisor_hurry(&f->supervisor, f->now);
	did(f, "kill m QUIT 0");
	pass(f, 1999);
	did(f, "");
	pass(f, 1);
	did(f, "kill m KILL 0");
}

static void test_hurry_at_once(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	supervisor_hurry(&f->supervisor, f->now);
	step(f);
	/* 1 ms: 0 would mean as configured. */
	did(f, "kill m TERM 1");
	assert_string_equal(f->supervisor.reason, "asked to stop at once");
	assert_true(supervisor_next_deadline(&f->supervisor) == f->now + 2001);
}

static void test_hurry_while_holding(void **state)
{
	struct fixture *f = *state;

	step(f);
	says(f, A, "READY=1");
	dies(f, C, EXITED(0));
	says(f, B, "READY=1");
	execs(f, D);
	fake_did(&f->fake);
	supervisor_stop(&f->supervisor, "SIGINT", f->now);
	step(f);
	is(f, M, SERVICE_HOLDING);
	supervisor_hurry(&f->supervisor, f->now);
	step(f);
	did(f, "");
	pass(f, SERVICE_HOLD_MS);
	did(f, "kill m TERM 1");
}

/* The keeper dies in mid-stop while its guest lives: another one finishes the work, with the time
 * that is left. */
static void test_revive(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	pass(f, 10000);
	did(f, "kill m TERM 60000");
	dies(f, M, KILLED(SIGSEGV));
	did(f, "spawn m=105");
	is(f, M, SERVICE_HOLDING);
	assert_int_equal(f->supervisor.exit_code, -1);
	says(f, M, "STATUS=back");
	did(f, "kill m TERM 50000");
	is(f, B, SERVICE_READY);
	dies(f, M, EXITED(0));
	assert_int_equal(f->supervisor.exit_code, 0);
	did(f, "kill d TERM 0; kill b TERM 0");
}

static void test_revive_waiting_for_restart(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	dies(f, M, EXITED(1));
	is(f, M, SERVICE_BACKOFF);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "spawn m=105");
	says(f, M, "READY=1");
	did(f, "kill m TERM 60000");
}

/* Whenever there is nothing left to do for a new keeper, or no hope, there is none. */
static void test_no_revival(void **state)
{
	struct fixture *f = *state;

	for (int reason = 0; reason < 6; reason++) {
		again(f);
		start_with_guest(f);
		if (reason == 0)
			says(f, M, "X_CASEMENT_GUEST_PID=0");
		if (reason == 1)
			supervisor_reaped(&f->supervisor, QEMU, EXITED(0), f->now);
		supervisor_stop(&f->supervisor, "SIGTERM", f->now);
		step(f);
		if (reason == 2)
			pass(f, 60000);
		if (reason == 3)
			pass(f, 62000);
		if (reason == 5)
			f->fake.spawn_error = -EAGAIN;
		fake_did(&f->fake);
		dies(f, M, reason == 4 ? EXITED(7) : KILLED(SIGKILL));
		did(f, reason == 5 ? "spawn m fails; kill d TERM 0; kill b TERM 0"
				   : "kill d TERM 0; kill b TERM 0");
		is(f, M, SERVICE_STOPPED);
		assert_int_equal(f->supervisor.exit_code, reason < 2	? 128 + SIGKILL
							  : reason == 4 ? 7
									: 10);
	}
}

static void test_revival_is_limited(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	for (; f->supervisor.services[M].pid; n++)
		dies(f, M, KILLED(SIGSEGV));
	assert_int_equal(n, STOP_RESTART_LIMIT + 1);
	assert_int_equal(f->supervisor.exit_code, 10);
}

/* QEMU is reaped here: its keeper learns how it ended, once, and never before it can handle the
 * signal. */
static void test_guest_reaped(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	start_with_guest(f);
	supervisor_reaped(&f->supervisor, 499, EXITED(3), f->now);
	did(f, "");
	supervisor_reaped(&f->supervisor, QEMU, KILLED(SIGKILL), f->now);
	snprintf(expected, sizeof(expected), "kill m USR1 %d", KILLED(SIGKILL));
	did(f, expected);
	assert_true(f->supervisor.guest.dead);
	assert_int_equal(f->supervisor.guest.wait_status, KILLED(SIGKILL));
	/* The number of a process that is gone may come again. */
	supervisor_reaped(&f->supervisor, QEMU, EXITED(0), f->now);
	says(f, M, "X_CASEMENT_GUEST_PID=500");
	did(f, "");
	assert_int_equal(f->supervisor.guest.wait_status, KILLED(SIGKILL));
	assert_int_equal(f->supervisor.reaped, 4);
}

static void test_guest_reaped_without_keeper(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	start_with_guest(f);
	dies(f, M, KILLED(SIGSEGV));
	supervisor_reaped(&f->supervisor, QEMU, EXITED(1), f->now);
	pass(f, 100);
	did(f, "spawn m=105");
	says(f, M, "STATUS=attaching");
	did(f, "");
	says(f, M, "X_CASEMENT_GUEST_PID=500");
	snprintf(expected, sizeof(expected), "kill m USR1 %d", EXITED(1));
	did(f, expected);
	says(f, M, "X_CASEMENT_GUEST_PID=500");
	did(f, "");
}

static void test_guest_reaped_before_the_keeper_spoke(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	start_with_guest(f);
	dies(f, M, KILLED(SIGSEGV));
	pass(f, 100);
	fake_did(&f->fake);
	supervisor_reaped(&f->supervisor, QEMU, EXITED(0), f->now);
	did(f, "");
	says(f, M, "READY=1\nX_CASEMENT_GUEST_PID=500");
	snprintf(expected, sizeof(expected), "kill m USR1 %d", EXITED(0));
	did(f, expected);
}

/* It was reaped a moment before it was reported: the last orphans are remembered, but not for ever.
 */
static void test_orphan_is_the_guest(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	snprintf(expected, sizeof(expected), "kill m USR1 %d", KILLED(SIGABRT));
	for (int late = 0; late < 3; late++) {
		again(f);
		start_all(f);
		supervisor_reaped(&f->supervisor, QEMU, KILLED(SIGABRT), f->now);
		for (int i = 0; i < (late == 2 ? ORPHANS_REMEMBERED : ORPHANS_REMEMBERED - 1); i++)
			supervisor_reaped(&f->supervisor, 600 + i, EXITED(0), f->now);
		pass(f, late == 1 ? ORPHAN_MEMORY_MS : ORPHAN_MEMORY_MS - 1);
		says(f, M, "X_CASEMENT_GUEST_PID=500");
		did(f, late ? "" : expected);
		assert_int_equal(f->supervisor.guest.dead, !late);
	}
}

/* A new guest after the old one: what is known of the old one is not true of the new one. */
static void test_next_guest(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	supervisor_reaped(&f->supervisor, QEMU, EXITED(0), f->now);
	fake_did(&f->fake);
	says(f, M, "X_CASEMENT_GUEST_PID=0");
	says(f, M, "X_CASEMENT_GUEST_PID=501");
	assert_false(f->supervisor.guest.dead);
	did(f, "");
	supervisor_reaped(&f->supervisor, 501, EXITED(2), f->now);
	assert_true(f->supervisor.guest.dead);
	assert_int_equal(strncmp(fake_did(&f->fake), "kill m USR1", 11), 0);
}

/** stop_services() - Everything that is a service is down. */
static void stop_services(struct fixture *f)
{
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	dies(f, M, EXITED(0));
	dies(f, D, EXITED(0));
	dies(f, B, EXITED(0));
	fake_did(&f->fake);
	dies(f, A, EXITED(0));
}

/* What was reparented: TERM, ten seconds, KILL, five more, and then the container ends whatever is
 * left. */
static void test_rest(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	stop_services(f);
	assert_int_equal(f->supervisor.phase, PHASE_REST);
	did(f, "rest TERM");
	/* Of those that went one may have left others: soon, but not for each of a thousand. */
	supervisor_reaped(&f->supervisor, 700, EXITED(0), f->now);
	step(f);
	did(f, "");
	assert_true(supervisor_next_deadline(&f->supervisor) == f->now + REST_LOOK_MS);
	f->now += REST_LOOK_MS;
	step(f);
	did(f, "rest TERM");
	/* Who goes to another parent first and then to us leaves no trace. */
	assert_true(supervisor_next_deadline(&f->supervisor) == f->now + REST_TICK_MS);
	f->now += REST_TICK_MS;
	step(f);
	did(f, "rest TERM");
	f->now += REST_TERM_MS - REST_LOOK_MS - REST_TICK_MS - 1;
	step(f);
	did(f, "rest TERM");
	assert_true(supervisor_next_deadline(&f->supervisor) == f->now + 1);
	f->now += 1;
	step(f);
	did(f, "rest KILL");
	supervisor_reaped(&f->supervisor, 701, EXITED(0), f->now);
	f->now += REST_LOOK_MS;
	step(f);
	did(f, "rest KILL");
	f->now -= REST_LOOK_MS;
	f->now += REST_KILL_MS;
	step(f);
	did(f, "name the rest");
	assert_int_equal(f->supervisor.phase, PHASE_DONE);
	assert_int_equal(f->supervisor.exit_code, 0);
	assert_false(f->supervisor.no_children);
}

/* Whoever waits for a freeze hears of the end of the one that was at it. */
static void test_freeze_is_lost(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	f->supervisor.guest.freeze = FREEZE_RUNNING;
	dies(f, D, KILLED(SIGKILL));
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_RUNNING);
	dies(f, M, KILLED(SIGKILL));
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_FAILED);
	assert_string_equal(f->supervisor.guest.freeze_reason, "m ended meanwhile");
}

static void test_rest_goes(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	stop_services(f);
	f->now += 5000;
	f->supervisor.no_children = true;
	step(f);
	assert_int_equal(f->supervisor.phase, PHASE_DONE);
	assert_int_equal(f->supervisor.exit_code, 0);
}

/* A guest that only SIGKILL ended did not shut down. */
static void test_rest_with_guest(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	stop_services(f);
	pass(f, REST_TERM_MS);
	assert_int_equal(f->supervisor.exit_code, 10);
}

/* What the keeper says, and what PID 1 makes of it. */
struct word {
	const char *text;
	enum overall_state state;
	const char *reason, *health;
};

static void hears(struct fixture *f, const struct word *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->now += 10;
		says(f, M, words[i].text);
		assert_int_equal(f->supervisor.overall, words[i].state);
		assert_string_equal(f->supervisor.overall_reason, words[i].reason);
		if (words[i].health)
			assert_string_equal(supervisor_health(&f->supervisor), words[i].health);
		else
			assert_null(supervisor_health(&f->supervisor));
	}
}

static void test_overall(void **state)
{
	static const struct word cases[] = {
		{ "X_CASEMENT_GUEST_STATE=off", OVERALL_RUNNING, "the guest is off", NULL },
		{ "X_CASEMENT_GUEST_STATE=starting", OVERALL_RUNNING, "the guest is starting",
		  NULL },
		{ "X_CASEMENT_GUEST_STATE=booting", OVERALL_RUNNING, "the guest is booting", NULL },
		{ "X_CASEMENT_GUEST_STATE=running", OVERALL_RUNNING,
		  "the guest does not answer RDP yet", NULL },
		{ "X_CASEMENT_RDP=open", OVERALL_RUNNING, "the guest does not answer RDP yet",
		  NULL },
		{ "X_CASEMENT_RDP=answering", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_RDP=closed", OVERALL_DEGRADED, "the guest stopped answering RDP",
		  "the guest stopped answering RDP" },
		{ "X_CASEMENT_RDP=answering", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_GUEST_REASON=ENOSPC\nX_CASEMENT_GUEST_STATE=paused", OVERALL_DEGRADED,
		  "guest paused: ENOSPC", "guest paused: ENOSPC" },
		{ "X_CASEMENT_GUEST_STATE=crashed\nX_CASEMENT_GUEST_REASON=panic", OVERALL_DEGRADED,
		  "guest crashed: panic", "guest crashed: panic" },
		{ "X_CASEMENT_GUEST_STATE=stopping", OVERALL_RUNNING, "the guest is stopping",
		  NULL },
		{ "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_RDP=answering", OVERALL_READY, "",
		  NULL },
		/* A reboot: what it answered before does not count. */
		{ "X_CASEMENT_GUEST_STATE=booting\nX_CASEMENT_RDP=unknown\nX_CASEMENT_BOOTS=2",
		  OVERALL_RUNNING, "the guest is booting", NULL },
		{ "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_RDP=closed", OVERALL_RUNNING,
		  "the guest does not answer RDP yet", NULL },
		{ "X_CASEMENT_RDP=answering", OVERALL_READY, "", NULL },
	};
	struct fixture *f = *state;

	says(f, M, "X_CASEMENT_GUEST_STATE=off");
	start_all(f);
	hears(f, cases, ARRAY_SIZE(cases));
	assert_true(f->supervisor.overall_since == f->now);
	/* What is being repaired counts as alive, but not as ready. */
	dies(f, D, KILLED(SIGKILL));
	assert_int_equal(f->supervisor.overall, OVERALL_DEGRADED);
	assert_null(supervisor_health(&f->supervisor));
}

/* Each kind of probe has words of its own, and none of them speaks of RDP. */
static void test_probes(void **state)
{
	static const struct word cases[] = {
		{ "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_PROBE=tcp:22", OVERALL_RUNNING,
		  "the guest does not answer on TCP port 22 yet", NULL },
		/* RDP is not what was asked about. */
		{ "X_CASEMENT_RDP=answering", OVERALL_RUNNING,
		  "the guest does not answer on TCP port 22 yet", NULL },
		{ "X_CASEMENT_PROBE_STATE=answering", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_PROBE=tcp:22", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_PROBE_STATE=closed", OVERALL_DEGRADED,
		  "the guest stopped answering on TCP port 22",
		  "the guest stopped answering on TCP port 22" },
		{ "X_CASEMENT_GUEST_STATE=starting", OVERALL_RUNNING, "the guest is starting",
		  NULL },
		{ "X_CASEMENT_GUEST_STATE=running", OVERALL_RUNNING,
		  "the guest does not answer on TCP port 22 yet", NULL },
		{ "X_CASEMENT_PROBE_STATE=answering", OVERALL_READY, "", NULL },
		/* A new keeper with a changed configuration. */
		{ "X_CASEMENT_PROBE=agent", OVERALL_RUNNING, "the guest agent is not connected yet",
		  NULL },
		{ "X_CASEMENT_PROBE_STATE=answering", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_PROBE_STATE=closed", OVERALL_DEGRADED,
		  "the guest agent is not connected any more",
		  "the guest agent is not connected any more" },
		{ "X_CASEMENT_PROBE=none", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_GUEST_STATE=booting", OVERALL_RUNNING, "the guest is booting", NULL },
		{ "X_CASEMENT_GUEST_STATE=running", OVERALL_READY, "", NULL },
		{ "X_CASEMENT_PROBE=tcp:0", OVERALL_READY, "", NULL }, /* nonsense is ignored */
		{ "X_CASEMENT_PROBE=rdp", OVERALL_RUNNING, "the guest does not answer RDP yet",
		  NULL },
	};
	struct fixture *f = *state;

	says(f, M, "X_CASEMENT_GUEST_STATE=off");
	start_all(f);
	hears(f, cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hurry),
		TEST(test_save),
		TEST(test_hurry_at_once),
		TEST(test_hurry_while_holding),
		TEST(test_revive),
		TEST(test_revive_waiting_for_restart),
		TEST(test_no_revival),
		TEST(test_revival_is_limited),
		TEST(test_guest_reaped),
		TEST(test_guest_reaped_without_keeper),
		TEST(test_guest_reaped_before_the_keeper_spoke),
		TEST(test_orphan_is_the_guest),
		TEST(test_next_guest),
		TEST(test_rest),
		TEST(test_freeze_is_lost),
		TEST(test_rest_goes),
		TEST(test_rest_with_guest),
		TEST(test_overall),
		TEST(test_probes),
	};

	return cmocka_run_group_tests_name("supervisor_guest", tests, NULL, NULL);
}
