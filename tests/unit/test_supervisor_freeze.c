/* A guest that is frozen, as PID 1 sees it: who is refused, what is sent, and that it is the container's end. */
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_refusal(struct fixture *f, const char *words)
{
	const char *refusal = supervisor_freeze(&f->supervisor, false);

	assert_non_null(refusal);
	assert_string_equal(refusal, words);
	did(f, "");
}

static void begin(struct fixture *f)
{
	start_with_guest(f);
	assert_null(supervisor_freeze(&f->supervisor, false));
	did(f, "kill m USR2 0");
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_RUNNING);
}

static void test_only_a_ready_guest(void **state)
{
	struct fixture *f = *state;

	expect_refusal(f, "the guest is not ready");
	start_all(f);
	expect_refusal(f, "the guest is not ready");
	says(f, M, "X_CASEMENT_GUEST_STATE=booting\nX_CASEMENT_GUEST_PID=500");
	expect_refusal(f, "the guest is not ready");
	says(f, M, "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_RDP=open");
	expect_refusal(f, "the guest is not ready");
	says(f, M, "X_CASEMENT_RDP=answering");
	assert_null(supervisor_freeze(&f->supervisor, false));
}

static void test_not_while_something_is_wrong(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	says(f, M, "X_CASEMENT_GUEST_STATE=paused");
	expect_refusal(f, "the guest is not ready");
	says(f, M, "X_CASEMENT_GUEST_STATE=running");
	/* Its keeper is being started again. */
	dies(f, M, KILLED(SIGSEGV));
	expect_refusal(f, "the guest is not ready");
}

static void test_not_while_it_stops(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	expect_refusal(f, "the container stops");
}

static void test_once_at_a_time(void **state)
{
	struct fixture *f = *state;
	unsigned changes;

	start_with_guest(f);
	changes = (unsigned)f->supervisor.changes;
	assert_null(supervisor_freeze(&f->supervisor, false));
	assert_true(f->supervisor.changes > changes); /* watchers see it before anything came of it */
	did(f, "kill m USR2 0");
	expect_refusal(f, "the guest is being frozen already");
	says(f, M, "X_CASEMENT_FREEZE=running");
	expect_refusal(f, "the guest is being frozen already");
}

static void test_again_after_a_failure(void **state)
{
	struct fixture *f = *state;

	begin(f);
	says(f, M, "X_CASEMENT_FREEZE=failed\nX_CASEMENT_FREEZE_REASON=no room");
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_FAILED);
	assert_string_equal(f->supervisor.guest.freeze_reason, "no room");
	did(f, ""); /* nothing ends */
	assert_null(supervisor_freeze(&f->supervisor, false));
	assert_string_equal(f->supervisor.guest.freeze_reason, "");
	did(f, "kill m USR2 0");
}

/* [guest] on-poweroff = restart: its end with 0 is not final, and this one is all the same. */
static void test_frozen_is_the_end(void **state)
{
	struct fixture *f = *state;
	struct service_config *config = &f->config.services[M];

	config->final_codes[0] &= ~1U;
	config->restart = RESTART_ALWAYS;
	begin(f);
	supervisor_reaped(&f->supervisor, QEMU, EXITED(0), f->now);
	did(f, "kill m USR1 0");
	says(f, M, "X_CASEMENT_FREEZE=done");
	assert_string_equal(f->supervisor.reason, "the guest is frozen");
	did(f, "kill m TERM 60000");
	expect_refusal(f, "the container stops");
	dies(f, M, EXITED(0));
	assert_int_equal(f->supervisor.exit_code, 0);
	did(f, "kill d TERM 0; kill b TERM 0");
}

static void test_without_asking_the_guest(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	assert_null(supervisor_freeze(&f->supervisor, true));
	did(f, "kill m USR2 1");
}

/* Who waits is told, and the next keeper may be asked again. */
static void test_a_keeper_that_dies_in_the_middle(void **state)
{
	struct fixture *f = *state;

	begin(f);
	dies(f, M, KILLED(SIGSEGV));
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_FAILED);
	assert_string_equal(f->supervisor.guest.freeze_reason, "m ended meanwhile");
	pass(f, 1000);
	fake_did(&f->fake);
	says(f, M, "READY=1\nX_CASEMENT_GUEST_STATE=running\nX_CASEMENT_GUEST_PID=500\nX_CASEMENT_RDP=answering");
	assert_null(supervisor_freeze(&f->supervisor, false));
}

static void test_words(void **state)
{
	struct fixture *f = *state;

	begin(f);
	says(f, M, "X_CASEMENT_FREEZE=melted");
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_RUNNING);
	/* From another service it means nothing. */
	says(f, A, "X_CASEMENT_FREEZE=done");
	assert_int_equal(f->supervisor.guest.freeze, FREEZE_RUNNING);
	says(f, M, "X_CASEMENT_GUEST_START=warm\nX_CASEMENT_GUEST_START_REASON=\nX_CASEMENT_GUEST_CPU=baseline");
	assert_int_equal(f->supervisor.guest.start, START_WARM);
	assert_string_equal(f->supervisor.guest.cpu, "baseline");
	says(f, M, "X_CASEMENT_GUEST_START=tepid");
	assert_int_equal(f->supervisor.guest.start, START_WARM);
	says(f, M, "X_CASEMENT_GUEST_START=cold\nX_CASEMENT_GUEST_START_REASON=another QEMU");
	assert_int_equal(f->supervisor.guest.start, START_COLD);
	assert_string_equal(f->supervisor.guest.start_reason, "another QEMU");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_a_ready_guest),
		TEST(test_not_while_something_is_wrong),
		TEST(test_not_while_it_stops),
		TEST(test_once_at_a_time),
		TEST(test_again_after_a_failure),
		TEST(test_frozen_is_the_end),
		TEST(test_without_asking_the_guest),
		TEST(test_a_keeper_that_dies_in_the_middle),
		TEST(test_words),
	};

	return cmocka_run_group_tests_name("supervisor_freeze", tests, NULL, NULL);
}
