/* SIGHUP through every state of a service: who is told and when, what an answer means, and what is
 * made of none. */
#include "lib/log.h"
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The lines of the log, in one text. */
static char lines[4096];

static void keep_line(void *context, enum log_level level, const char *text, size_t length)
{
	size_t used = strlen(lines);

	(void)context;
	snprintf(lines + used, sizeof(lines) - used, "%s: %.*s\n", log_level_name(level),
		 (int)length, text);
}

static bool logged(const char *line)
{
	bool found = strstr(lines, line);

	lines[0] = '\0';
	return found;
}

/* A and M can read their files again. */
static int enter_reload(void **state)
{
	struct fixture *f;

	enter(state);
	f = *state;
	f->config.services[A].reload_signal = SIGHUP;
	f->config.services[M].reload_signal = SIGUSR2;
	again(f);
	log_set_level(LOG_LEVEL_DEBUG);
	log_redirect(keep_line, NULL);
	lines[0] = '\0';
	return 0;
}

#define RELOAD_TEST(test) cmocka_unit_test_setup_teardown(test, enter_reload, leave)

static void hup(struct fixture *f)
{
	lines[0] = '\0';
	supervisor_reload(&f->supervisor, f->now);
	step(f);
}

static void result_is(struct fixture *f, enum reload_result result, const char *reason)
{
	assert_int_equal(f->supervisor.reload.result, result);
	assert_string_equal(f->supervisor.reload.reason, reason);
}

static void counted(struct fixture *f, unsigned n_ok, unsigned n_failed)
{
	assert_int_equal(f->supervisor.reload.n_ok, n_ok);
	assert_int_equal(f->supervisor.reload.n_failed, n_failed);
}

static void test_ready(void **state)
{
	struct fixture *f = *state;
	uint64_t changes;

	start_all(f);
	result_is(f, RELOAD_NONE, "");
	hup(f);
	assert_true(logged("info: SIGHUP: a reads its configuration again\n"
			   "info: SIGHUP: m reads its configuration again\n"));
	did(f, "kill a HUP 0; kill m USR2 0");
	/* Asked is not begun. */
	result_is(f, RELOAD_NONE, "");
	f->now += 5;
	changes = f->supervisor.changes;
	says(f, A, "RELOADING=1\nMONOTONIC_USEC=17");
	assert_true(f->supervisor.changes > changes);
	result_is(f, RELOAD_RUNNING, "");
	assert_true(f->supervisor.reload.since == f->now);
	f->now += 5;
	changes = f->supervisor.changes;
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok");
	assert_true(f->supervisor.changes > changes);
	assert_true(logged("info: a has read its configuration again\n"));
	result_is(f, RELOAD_OK, "");
	assert_true(f->supervisor.reload.since == f->now);
	counted(f, 1, 0);
	is(f, A, SERVICE_READY);
	did(f, "");
}

static void test_failed(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	says(f, A, "RELOADING=1");
	lines[0] = '\0';
	says(f, A, "X_CASEMENT_RELOAD_REASON=3 mis\ttakes\nX_CASEMENT_RELOAD=failed\nREADY=1");
	assert_true(logged("error: a: the reload failed: 3 mis takes\n"));
	result_is(f, RELOAD_FAILED, "3 mis takes");
	counted(f, 0, 1);
	/* Nothing has changed, so nothing is worse than before. */
	assert_int_equal(f->supervisor.overall, OVERALL_READY);
	assert_null(supervisor_health(&f->supervisor));
	is(f, A, SERVICE_READY);
	/* The next one makes it good. */
	says(f, A, "RELOADING=1");
	result_is(f, RELOAD_RUNNING, "");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=failed");
	result_is(f, RELOAD_FAILED, "it gave no reason");
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok\nX_CASEMENT_RELOAD_REASON=none");
	result_is(f, RELOAD_OK, "");
	counted(f, 1, 2);
	/* One that knows only what sd_notify(3) says. */
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1");
	result_is(f, RELOAD_OK, "");
	counted(f, 2, 2);
	/* All in one. */
	says(f, A, "RELOADING=1\nREADY=1\nX_CASEMENT_RELOAD=failed");
	result_is(f, RELOAD_FAILED, "it gave no reason");
	counted(f, 2, 3);
}

/* Words that are no answer. */
static void test_no_answer(void **state)
{
	static const char *const words[] = { "READY=1\nX_CASEMENT_RELOAD=failed",
					     "READY=1",
					     "X_CASEMENT_RELOAD=ok",
					     "RELOADING=0",
					     "RELOADING=yes",
					     "X_CASEMENT_RELOAD_REASON=x" };
	struct fixture *f = *state;

	/* Before it is ready there is nothing to reload. */
	step(f);
	says(f, A, "RELOADING=1");
	result_is(f, RELOAD_NONE, "");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=failed");
	is(f, A, SERVICE_READY);
	again(f);
	start_all(f);
	/* It was not at it. */
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		says(f, A, words[i]);
		result_is(f, RELOAD_NONE, "");
	}
	says(f, A, "RELOADING=1");
	says(f, A, "RELOADING=1");
	says(f, A, "STATUS=x");
	says(f, A, "READY=0\nX_CASEMENT_RELOAD=ok");
	says(f, D, "READY=1\nX_CASEMENT_RELOAD=ok");
	says(f, M, "READY=1\nX_CASEMENT_RELOAD=failed");
	result_is(f, RELOAD_RUNNING, "");
	counted(f, 0, 0);
}

/* The signal waits for the one that is starting: earlier it might end it. */
static void test_starting(void **state)
{
	struct fixture *f = *state;

	step(f);
	did(f, "spawn a=100; spawn c=101");
	hup(f);
	hup(f);
	assert_false(logged("SIGHUP: a"));
	did(f, "");
	says(f, A, "STATUS=not yet");
	did(f, "");
	says(f, A, "READY=1");
	assert_true(logged("info: SIGHUP: a reads its configuration again\n"));
	did(f, "kill a HUP 0; spawn b=102");
	/* Once. */
	says(f, A, "READY=1");
	did(f, "");
}

/* It dies before it is ready: the next process reads the files anyway. */
static void test_starting_dies(void **state)
{
	struct fixture *f = *state;

	step(f);
	hup(f);
	dies(f, A, EXITED(1));
	fake_did(&f->fake);
	hup(f);
	assert_true(logged("info: SIGHUP: a is not running: it reads its configuration when it "
			   "starts\n"));
	pass(f, 100);
	did(f, "spawn a=102");
	says(f, A, "READY=1");
	did(f, "spawn b=103");
}

static void test_down(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	f->config.services[C].reload_signal = SIGHUP; /* a oneshot, which has done its work */
	f->config.services[M].reload_signal = 0;
	f->config.services[A].critical = false;
	for (int i = 0; i < 2; i++) {
		dies(f, A, EXITED(1));
		pass(f, 200);
		fake_did(&f->fake);
	}
	dies(f, A, EXITED(1));
	is(f, A, SERVICE_FAILED);
	hup(f);
	assert_true(logged("info: SIGHUP: a is not running: it reads its configuration when it "
			   "starts\ninfo: SIGHUP: c is not"));
	did(f, "");
	result_is(f, RELOAD_OK, "");
}

static void test_nobody(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	f->config.services[A].reload_signal = f->config.services[M].reload_signal = 0;
	hup(f);
	assert_true(logged("info: SIGHUP: the configuration was read again\n"));
	did(f, "");
	/* There is nobody to wait for. */
	result_is(f, RELOAD_OK, "");
	counted(f, 1, 0);
	assert_true(f->supervisor.reload.since == f->now);
}

/* Mistakes: nobody is told. */
static void test_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t changes;

	start_all(f);
	changes = f->supervisor.changes;
	lines[0] = '\0';
	reload_refused(&f->supervisor, "c:1: no", f->now);
	assert_true(logged("error: SIGHUP: the configuration has mistakes and stays as it was\n"));
	did(f, "");
	result_is(f, RELOAD_FAILED, "c:1: no");
	counted(f, 0, 1);
	assert_true(f->supervisor.changes > changes);
	/* The next one makes it good. */
	hup(f);
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1");
	result_is(f, RELOAD_OK, "");
}

/* From the end of its process, however that comes. */
static void test_dies(void **state)
{
	static const struct {
		int wait_status;
		const char *reason;
	} cases[] = { { KILLED(SIGKILL), "a ended in the middle of it: killed by SIGKILL" },
		      { EXITED(0), "a ended in the middle of it: exited with 0" },
		      { EXITED(3), "a ended in the middle of it: exited with 3" } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		again(f);
		start_all(f);
		says(f, A, "RELOADING=1");
		f->now += 9;
		lines[0] = '\0';
		dies(f, A, cases[i].wait_status);
		result_is(f, RELOAD_FAILED, cases[i].reason);
		assert_true(f->supervisor.reload.since == f->now);
		counted(f, 0, 1);
		assert_true(logged("error: a: the reload failed: a ended in the middle of it"));
		/* The next process has nothing to answer for. */
		pass(f, 100);
		says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok");
		counted(f, 0, 1);
	}
}

/* It hangs in the reload: its watchdog ends it. */
static void test_starves(void **state)
{
	struct fixture *f = *state;

	f->config.services[A].watchdog = 1000;
	start_all(f);
	says(f, A, "RELOADING=1");
	pass(f, 1000);
	is(f, A, SERVICE_ENDING);
	result_is(f, RELOAD_RUNNING, "");
	dies(f, A, KILLED(SIGABRT));
	result_is(f, RELOAD_FAILED, "a ended in the middle of it: no WATCHDOG=1 for 1000 ms");
}

/* It hangs in the reload and has no watchdog: nobody waits for it for ever, and it stays as it is. */
static void test_silent(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	says(f, A, "RELOADING=1");
	pass(f, 4999);
	result_is(f, RELOAD_RUNNING, "");
	assert_true(supervisor_next_deadline(&f->supervisor) == f->now + 1);
	pass(f, 1);
	result_is(f, RELOAD_FAILED, "a: no READY=1 for 5000 ms after RELOADING=1");
	assert_true(supervisor_next_deadline(&f->supervisor) == NEVER);
	is(f, A, SERVICE_READY);
	says(f, A, "READY=1");
	counted(f, 0, 1);
	/* Where a start may take for ever, so may this. */
	f->config.services[A].start_timeout = 0;
	says(f, A, "RELOADING=1");
	assert_true(supervisor_next_deadline(&f->supervisor) == NEVER);
}

static void test_stopping(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	says(f, M, "RELOADING=1");
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	lines[0] = '\0';
	/* The end in the middle of it was wanted: nobody has to look. */
	dies(f, M, EXITED(0));
	result_is(f, RELOAD_FAILED, "m ended in the middle of it: it was stopped");
	assert_false(logged("error:"));
}

/* Asked while it was starting, and then stopped: the signal does not follow it into that. */
static void test_stopping_while_starting(void **state)
{
	struct fixture *f = *state;

	step(f);
	says(f, A, "READY=1");
	says(f, B, "STATUS=x");
	f->config.services[B].reload_signal = SIGHUP;
	hup(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	fake_did(&f->fake);
	step(f);
	says(f, B, "READY=1");
	assert_null(strstr(fake_did(&f->fake), "HUP"));
}

/* Each is passed on; services that are at it at the same time have one result. */
static void test_several(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	hup(f);
	hup(f);
	hup(f);
	did(f, "kill a HUP 0; kill m USR2 0; kill a HUP 0; kill m USR2 0; kill a HUP 0; kill m "
	       "USR2 0");
	says(f, A, "RELOADING=1");
	f->now += 3;
	says(f, M, "RELOADING=1");
	assert_true(f->supervisor.reload.since == f->now - 3);
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=failed\nX_CASEMENT_RELOAD_REASON=no");
	result_is(f, RELOAD_RUNNING, "no");
	says(f, M, "READY=1\nX_CASEMENT_RELOAD=ok");
	result_is(f, RELOAD_FAILED, "no");
	counted(f, 1, 1);
	for (int i = 0; i < 2; i++) {
		says(f, A, "RELOADING=1");
		says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok");
	}
	result_is(f, RELOAD_OK, "");
	counted(f, 3, 1);
}

/* Which datagram says that the table of forwards comes along. */
static void test_stores(void **state)
{
	static const struct {
		const char *text;
		bool stores;
	} cases[] = { { "FDSTORE=1\nFDNAME=forwards", true },
		      { "FDNAME=forwards\nREADY=1\nFDSTORE=1", true },
		      { "FDSTORE=1", false },
		      { "FDNAME=forwards", false },
		      { "FDSTORE=0\nFDNAME=forwards", false },
		      { "FDSTORE=1\nFDNAME=forward", false },
		      { "FDSTORE=1\nFDNAME=forwards2", false },
		      { "FDSTORE=1\nFDNAME=", false },
		      { "READY=1", false } };
	struct fixture *f = *state;

	start_all(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];

		strcpy(text, cases[i].text);
		assert_int_equal(supervisor_datagram(&f->supervisor, &f->supervisor.services[A],
						     text, f->now),
				 cases[i].stores);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELOAD_TEST(test_ready),	 RELOAD_TEST(test_failed),
		RELOAD_TEST(test_no_answer),	 RELOAD_TEST(test_starting),
		RELOAD_TEST(test_starting_dies), RELOAD_TEST(test_down),
		RELOAD_TEST(test_nobody),	 RELOAD_TEST(test_refused),
		RELOAD_TEST(test_dies),		 RELOAD_TEST(test_starves),
		RELOAD_TEST(test_stopping),	 RELOAD_TEST(test_stopping_while_starting),
		RELOAD_TEST(test_several),	 RELOAD_TEST(test_stores),
		RELOAD_TEST(test_silent),
	};

	return cmocka_run_group_tests_name("supervisor_reload", tests, NULL, NULL);
}
