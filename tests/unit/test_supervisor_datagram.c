/* What services say to PID 1: which fields count, from whom, with which values, and how text is cut
 * to what fits. */
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_ready(void **state)
{
	static const char *const no[] = { "",	      "\n\n",	   "READY",   "READY=",
					  "READY=0",  "READY=11",  "ready=1", " READY=1",
					  "READY=1 ", "X=READY=1", "=1",      "STATUS=READY=1" };
	static const char *const yes[] = {
		"READY=1",     "READY=1\n",	   "STATUS=x\nREADY=1\nX=y",
		"\n\nREADY=1", "READY=0\nREADY=1", "junk\nREADY=1"
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		again(f);
		step(f);
		says(f, A, no[i]);
		is(f, A, SERVICE_STARTING);
		/* But it has spoken. */
		assert_true(f->supervisor.services[A].spoke);
	}
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		again(f);
		step(f);
		says(f, A, yes[i]);
		is(f, A, SERVICE_READY);
	}
}

static void test_status(void **state)
{
	struct fixture *f = *state;
	const struct service *service = &f->supervisor.services[A];

	step(f);
	says(f, A, "STATUS=first=1");
	assert_string_equal(service->status, "first=1");
	says(f, A,
	     "STATUS=a\tb\x01\x7f"
	     "c");
	assert_string_equal(service->status, "a b  c");
	says(f, A, "STATUS=");
	assert_string_equal(service->status, "");
	says(f, A, "NOSUCHFIELD=1\nMAINPID=1\nSTATUS");
	assert_string_equal(service->status, "");
}

/* A text that does not fit loses whole characters, never a part of one. */
static void test_cut(void **state)
{
	static const char *const characters[] = { "x", "\xc3\xa4", "\xe2\x82\xac",
						  "\xf0\x9f\x98\x80" };
	struct fixture *f = *state;
	const size_t room = sizeof(f->supervisor.services[A].status) - 1;

	step(f);
	for (size_t c = 0; c < ARRAY_SIZE(characters); c++) {
		size_t width = strlen(characters[c]);

		for (size_t lead = 0; lead < 5; lead++) {
			char text[1000] = "STATUS=", *status = f->supervisor.services[A].status;
			size_t whole = (room - lead) / width;

			memset(text + 7, '.', lead);
			for (size_t i = 0; i < whole + 5; i++)
				strcat(text, characters[c]);
			says(f, A, text);
			assert_int_equal(strlen(status), lead + whole * width);
			assert_memory_equal(status, text + 7, strlen(status));
		}
	}
	/* What is no UTF-8 at all is cut as well, and nothing is read or written beyond. */
	for (int byte = 0x80; byte < 0x100; byte++) {
		char text[300] = "STATUS=";

		memset(text + 7, byte, 250);
		says(f, A, text);
		assert_true(strlen(f->supervisor.services[A].status) <= room);
	}
}

static void test_exact_fit(void **state)
{
	struct fixture *f = *state;
	char text[256] = "STATUS=";
	const size_t room = sizeof(f->supervisor.services[A].status) - 1;

	step(f);
	memset(text + 7, 'y', room);
	says(f, A, text);
	assert_string_equal(f->supervisor.services[A].status, text + 7);
	/* The last character ends where the room ends. */
	memcpy(text + 7 + room - 2, "\xc3\xa4", 2);
	says(f, A, text);
	assert_string_equal(f->supervisor.services[A].status, text + 7);
	strcat(text, "z");
	says(f, A, text);
	assert_int_equal(strlen(f->supervisor.services[A].status), room);
}

static void test_guest_fields(void **state)
{
	struct fixture *f = *state;
	const struct guest *guest = &f->supervisor.guest;

	start_all(f);
	assert_false(guest->reported);
	f->now += 5;
	says(f, M,
	     "X_CASEMENT_GUEST_STATE=paused\nX_CASEMENT_GUEST_REASON=ENOSPC\nX_CASEMENT_GUEST_PID="
	     "500\n"
	     "X_CASEMENT_GUEST_ADDRESS=10.1.2.3\nX_CASEMENT_RDP=open\nX_CASEMENT_RDP_LATENCY_US="
	     "1500\n"
	     "X_CASEMENT_BOOTS=3\nX_CASEMENT_STOP_PHASE=button");
	assert_true(guest->reported);
	assert_int_equal(guest->state, GUEST_PAUSED);
	assert_true(guest->since == f->now);
	assert_string_equal(guest->reason, "ENOSPC");
	assert_int_equal(guest->pid, 500);
	assert_string_equal(guest->address, "10.1.2.3");
	assert_int_equal(guest->rdp, RDP_OPEN);
	assert_int_equal(guest->rdp_latency_us, 1500);
	assert_int_equal(guest->boots, 3);
	assert_int_equal(guest->stop_phase, STOP_BUTTON);
	/* The same state again is no new state. */
	f->now += 5;
	says(f, M, "X_CASEMENT_GUEST_STATE=paused");
	assert_true(guest->since == f->now - 5);
	says(f, M, "X_CASEMENT_GUEST_REASON=");
	assert_string_equal(guest->reason, "");
}

/* Every name of the wire is understood, and no other. */
static void test_names(void **state)
{
	struct fixture *f = *state;
	char text[64];

	start_all(f);
	for (int i = 0; i < N_GUEST_STATES; i++) {
		snprintf(text, sizeof(text), "X_CASEMENT_GUEST_STATE=%s",
			 guest_state_name((enum guest_state)i));
		says(f, M, text);
		assert_int_equal(f->supervisor.guest.state, i);
	}
	for (int i = 0; i < N_RDP_STATES; i++) {
		snprintf(text, sizeof(text), "X_CASEMENT_RDP=%s",
			 rdp_state_name((enum rdp_state)i));
		says(f, M, text);
		assert_int_equal(f->supervisor.guest.rdp, i);
	}
	for (int i = 0; i < N_STOP_PHASES; i++) {
		snprintf(text, sizeof(text), "X_CASEMENT_STOP_PHASE=%s",
			 stop_phase_name((enum stop_phase)i));
		says(f, M, text);
		assert_int_equal(f->supervisor.guest.stop_phase, i);
	}
}

static void test_wrong_values(void **state)
{
	static const char *const wrong[] = {
		"X_CASEMENT_GUEST_STATE=Running",
		"X_CASEMENT_GUEST_STATE=",
		"X_CASEMENT_GUEST_STATE=running ",
		"X_CASEMENT_GUEST_PID=-1",
		"X_CASEMENT_GUEST_PID=",
		"X_CASEMENT_GUEST_PID=2147483648",
		"X_CASEMENT_GUEST_PID=12x",
		"X_CASEMENT_GUEST_ADDRESS=",
		"X_CASEMENT_GUEST_ADDRESS=10.1.2",
		"X_CASEMENT_GUEST_ADDRESS=::1",
		"X_CASEMENT_GUEST_ADDRESS=\"",
		"X_CASEMENT_RDP=maybe",
		"X_CASEMENT_RDP_LATENCY_US=-5",
		"X_CASEMENT_RDP_LATENCY_US=1.5",
		"X_CASEMENT_BOOTS=many",
		"X_CASEMENT_BOOTS=4294967296",
		"X_CASEMENT_STOP_PHASE=now",
		"X_CASEMENT_=1",
		"X_CASEMENT_GUEST_STATES=off",
		"X_CASEMENT_FUTURE=1",
		"x_casement_boots=9",
	};
	struct fixture *f = *state;
	struct guest before;

	start_with_guest(f);
	says(f, M,
	     "X_CASEMENT_GUEST_ADDRESS=10.1.2.3\nX_CASEMENT_BOOTS=3\nX_CASEMENT_RDP_LATENCY_US=7");
	memcpy(&before, &f->supervisor.guest, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		says(f, M, wrong[i]);
		assert_memory_equal(&f->supervisor.guest, &before, sizeof(before));
	}
	did(f, "");
}

/* Only the main service keeps the guest; the address comes from whoever made the network. */
static void test_wrong_service(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	says(f, D,
	     "X_CASEMENT_GUEST_STATE=crashed\nX_CASEMENT_GUEST_PID=1\nX_CASEMENT_BOOTS=9\nX_"
	     "CASEMENT_RDP=closed\n"
	     "X_CASEMENT_GUEST_REASON=no\nX_CASEMENT_STOP_PHASE=agent\nX_CASEMENT_RDP_LATENCY_US="
	     "1\n"
	     "X_CASEMENT_GUEST_ADDRESS=10.9.9.9");
	assert_int_equal(f->supervisor.guest.state, GUEST_RUNNING);
	assert_int_equal(f->supervisor.guest.pid, QEMU);
	assert_int_equal(f->supervisor.guest.boots, 0);
	assert_int_equal(f->supervisor.guest.rdp, RDP_ANSWERING);
	assert_string_equal(f->supervisor.guest.reason, "");
	assert_int_equal(f->supervisor.guest.stop_phase, STOP_NONE);
	assert_int_equal(f->supervisor.guest.rdp_latency_us, 0);
	assert_string_equal(f->supervisor.guest.address, "10.9.9.9");
}

static void test_extend(void **state)
{
	static const char *const wrong[] = { "EXTEND_TIMEOUT_USEC=",
					     "EXTEND_TIMEOUT_USEC=x",
					     "EXTEND_TIMEOUT_USEC=-1",
					     "EXTEND_TIMEOUT_USEC=9000000x",
					     "EXTEND_TIMEOUT_USEC=99999999999999999999",
					     "EXTEND_TIMEOUT_USEC=4999000",
					     "EXTEND_TIMEOUT_USEC=2147483647000" };
	struct fixture *f = *state;

	step(f);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		says(f, A, wrong[i]);
		assert_true(f->supervisor.services[A].deadline == f->now + 5000);
	}
	says(f, A, "EXTEND_TIMEOUT_USEC=6000999");
	assert_true(f->supervisor.services[A].deadline == f->now + 6000);
	says(f, A, "EXTEND_TIMEOUT_USEC=2147483646999");
	assert_true(f->supervisor.services[A].deadline == f->now + INT_MAX - 1);
}

static void test_watchdog(void **state)
{
	struct fixture *f = *state;

	f->config.services[A].watchdog = 1000;
	step(f);
	f->now += 10;
	says(f, A, "WATCHDOG=0\nWATCHDOG=2\nWATCHDOG=trigger\nWATCHDOG=");
	assert_true(f->supervisor.services[A].starves == f->now + 990);
	says(f, A, "WATCHDOG=1");
	assert_true(f->supervisor.services[A].starves == f->now + 1000);
}

/* Watchers are told when something may have changed, and not for a heart-beat. */
static void test_changes(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	start_all(f);
	before = f->supervisor.changes;
	says(f, M, "WATCHDOG=1");
	says(f, M, "EXTEND_TIMEOUT_USEC=1");
	says(f, M, "");
	assert_true(f->supervisor.changes == before);
	says(f, M, "STATUS=new");
	assert_true(f->supervisor.changes > before);
	before = f->supervisor.changes;
	says(f, M, "X_CASEMENT_GUEST_STATE=booting");
	assert_true(f->supervisor.changes > before);
}

/* The keeper says that somebody hangs: who has no watchdog is ended all the same. */
static void test_hangs(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	says(f, B, "X_CASEMENT_HANGS=a");
	says(f, M,
	     "X_CASEMENT_HANGS=m\nX_CASEMENT_HANGS=nobody\nX_CASEMENT_HANGS=\nX_CASEMENT_HANGS=c");
	did(f, "");
	says(f, M, "X_CASEMENT_HANGS=a");
	did(f, "kill a ABRT 0");
	is(f, A, SERVICE_ENDING);
	assert_string_equal(f->supervisor.services[A].problem, "it does not answer m");
	/* Once is enough. */
	says(f, M, "X_CASEMENT_HANGS=a");
	did(f, "");
	dies(f, A, KILLED(SIGABRT));
	is(f, A, SERVICE_BACKOFF);
	says(f, M, "X_CASEMENT_HANGS=a");
	did(f, "");
	pass(f, 100);
	did(f, "spawn a=105");
	assert_null(f->supervisor.services[A].accuser);
	/* What the guest needs for its end must answer, too. */
	says(f, A, "READY=1");
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	did(f, "kill m TERM 60000");
	says(f, M, "X_CASEMENT_HANGS=a");
	did(f, "kill a ABRT 0");
	dies(f, A, KILLED(SIGABRT));
	pass(f, 200);
	did(f, "spawn a=106");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ready),	 TEST(test_status),	   TEST(test_cut),
		TEST(test_exact_fit),	 TEST(test_guest_fields),  TEST(test_names),
		TEST(test_wrong_values), TEST(test_wrong_service), TEST(test_extend),
		TEST(test_watchdog),	 TEST(test_changes),	   TEST(test_hangs),
	};

	return cmocka_run_group_tests_name("supervisor_datagram", tests, NULL, NULL);
}
