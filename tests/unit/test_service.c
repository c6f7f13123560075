/*
 * One service's life with a fake clock and fake effects: every pair of state and event against a
 * table of what must come of it, then the stories that the pairs add up to.
 */
#include "init/pid1/service.h"

#include "fake_effects.h"
#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#define T0 INT64_C(1000000) /* now, in every test's beginning */

#define EXITED(code) W_EXITCODE(code, 0)
#define KILLED(signal) W_EXITCODE(0, signal)

static char name[] = "s";

static const struct service_config notify_config = {
	.name = name,
	.type = SERVICE_NOTIFY,
	.restart = RESTART_ON_FAILURE,
	.final_codes = { 1U << 7 },
	.backoff = 100,
	.backoff_max = 1000,
	.restart_limit = 4,
	.healthy_after = 5000,
	.start_timeout = 2000,
	.stop_timeout = 3000,
	.stop_signal = SIGTERM,
	.watchdog = 400,
};

struct fixture {
	struct fake fake;
	struct service_config config;
	struct service service;
};

static int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_init(&f->fake);
	f->config = notify_config;
	service_init(&f->service, &f->config, T0);
	*state = f;
	return 0;
}

static int leave(void **state)
{
	free(*state);
	return 0;
}

static void event(struct fixture *f, enum service_event what, int64_t now)
{
	service_event(&f->service, what, &f->fake.effects, now);
}

/** exits() - The process ends with a wait status. */
static void exits(struct fixture *f, int wait_status, int64_t now)
{
	f->service.wait_status = wait_status;
	event(f, SERVICE_EXITED, now);
}

#define did(f, text) assert_string_equal(fake_did(&(f)->fake), text)
#define in_state(f, state_) assert_int_equal((f)->service.state, state_)

/* A service as it is in the midst of a state: what it has there, and when it entered it. */
static void put_into(struct fixture *f, enum service_state state)
{
	struct service *service = &f->service;
	bool has_process = state == SERVICE_STARTING || state == SERVICE_READY ||
			   state == SERVICE_ENDING || state == SERVICE_HOLDING ||
			   state == SERVICE_STOPPING;

	*service = (struct service){
		.config = &f->config,
		.state = state,
		.pid = has_process ? 77 : 0,
		.since = T0 - 100,
		.started = T0 - 200,
		.started_once = state != SERVICE_WAITING,
		.deadline = state == SERVICE_WAITING || state == SERVICE_READY ||
					    state == SERVICE_STOPPED || state == SERVICE_FAILED
				    ? NEVER
				    : T0 + 50,
		.starves = state == SERVICE_STARTING || state == SERVICE_READY ? T0 + 60 : NEVER,
		.wait_status = EXITED(1),
		.failures = 1,
		.restarts = 1,
		.stop_value = 9,
	};
}

/* What must come of a pair: nothing at all, or a state, what is asked of the effects, and the
 * deadline after now. */
struct outcome {
	const char *effects; /* NULL: nothing at all happens, beyond remembering */
	enum service_state state;
	int64_t deadline; /* after T0; NEVER */
};

#define NOTHING                 \
	{                       \
		.effects = NULL \
	}
#define BECOMES(state_, effects_, deadline_)                                          \
	{                                                                             \
		.effects = effects_, .state = SERVICE_##state_, .deadline = deadline_ \
	}

/* For a notify service with the configuration above, whose process ends with code 1 when it ends.
 */
/* clang-format off */
static const struct outcome outcomes[N_SERVICE_STATES][N_SERVICE_EVENTS] = {
	[SERVICE_WAITING] = {
		[SERVICE_START] = BECOMES(STARTING, "spawn s=100; s=starting", 2000),
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = NOTHING,
		[SERVICE_DEADLINE] = NOTHING,
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = BECOMES(STOPPED, "s=stopped", NEVER),
	},
	[SERVICE_STARTING] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = BECOMES(READY, "s=ready", NEVER),
		[SERVICE_EXITED] = BECOMES(BACKOFF, "s=backoff", 200),
		[SERVICE_DEADLINE] = BECOMES(ENDING, "kill s TERM 0; s=ending", 3000),
		[SERVICE_STARVED] = BECOMES(ENDING, "kill s ABRT 0; s=ending", 3000),
		[SERVICE_STOP] = BECOMES(STOPPING, "kill s TERM 9; s=stopping", 3009),
	},
	[SERVICE_READY] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = BECOMES(BACKOFF, "s=backoff", 200),
		[SERVICE_DEADLINE] = NOTHING,
		[SERVICE_STARVED] = BECOMES(ENDING, "kill s ABRT 0; s=ending", 3000),
		[SERVICE_STOP] = BECOMES(STOPPING, "kill s TERM 9; s=stopping", 3009),
	},
	[SERVICE_ENDING] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = BECOMES(BACKOFF, "s=backoff", 200),
		[SERVICE_DEADLINE] = BECOMES(ENDING, "kill s KILL 0", SERVICE_KILL_PATIENCE_MS),
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = BECOMES(STOPPING, "s=stopping", 50),
	},
	[SERVICE_BACKOFF] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = NOTHING,
		[SERVICE_DEADLINE] = BECOMES(WAITING, "s=waiting", NEVER),
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = BECOMES(STOPPED, "s=stopped", NEVER),
	},
	[SERVICE_HOLDING] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = BECOMES(STOPPING, "kill s TERM 9; s=stopping", 3009),
		[SERVICE_SAID_READY] = BECOMES(STOPPING, "kill s TERM 9; s=stopping", 3009),
		[SERVICE_EXITED] = BECOMES(STOPPED, "s=stopped", NEVER),
		[SERVICE_DEADLINE] = BECOMES(STOPPING, "kill s TERM 9; s=stopping", 3009),
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = NOTHING,
	},
	[SERVICE_STOPPING] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = BECOMES(STOPPED, "s=stopped", NEVER),
		[SERVICE_DEADLINE] = BECOMES(STOPPING, "kill s KILL 0", SERVICE_KILL_PATIENCE_MS),
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = NOTHING,
	},
	[SERVICE_STOPPED] = {
		[SERVICE_START] = BECOMES(STARTING, "spawn s=100; s=starting", 2000),
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = NOTHING,
		[SERVICE_DEADLINE] = NOTHING,
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = NOTHING,
	},
	[SERVICE_FAILED] = {
		[SERVICE_START] = NOTHING,
		[SERVICE_EXECED] = NOTHING,
		[SERVICE_EXEC_FAILED] = NOTHING,
		[SERVICE_SPOKE] = NOTHING,
		[SERVICE_SAID_READY] = NOTHING,
		[SERVICE_EXITED] = NOTHING,
		[SERVICE_DEADLINE] = NOTHING,
		[SERVICE_STARVED] = NOTHING,
		[SERVICE_STOP] = NOTHING,
	},
};
/* clang-format on */

/* What a pair may leave behind although nothing happens: that the process spoke, or never became
 * the program. */
static void remember(struct service *service, enum service_event what)
{
	if (what == SERVICE_SPOKE || what == SERVICE_SAID_READY)
		service->spoke = true;
	if (what == SERVICE_EXEC_FAILED && service->pid && service->state != SERVICE_READY)
		service->exec_failed = true;
}

static void check_pair(struct fixture *f, enum service_state state, enum service_event what)
{
	const struct outcome *outcome = &outcomes[state][what];
	struct service before;

	put_into(f, state);
	memcpy(&before, &f->service, sizeof(before));
	remember(&before, what);
	event(f, what, T0);
	if (!outcome->effects) {
		did(f, "");
		assert_memory_equal(&f->service, &before, sizeof(before));
		return;
	}
	did(f, outcome->effects);
	assert_int_equal(f->service.state, outcome->state);
	assert_true(f->service.deadline ==
		    (outcome->deadline == NEVER ? NEVER : T0 + outcome->deadline));
	/* Only a process that is starting or ready can starve; nothing that has ended has a
	 * process. */
	if (outcome->state != SERVICE_STARTING && outcome->state != SERVICE_READY)
		assert_true(f->service.starves == NEVER);
	if (outcome->state == SERVICE_BACKOFF || outcome->state == SERVICE_WAITING ||
	    outcome->state == SERVICE_STOPPED || outcome->state == SERVICE_FAILED)
		assert_int_equal(f->service.pid, 0);
	else
		assert_true(f->service.pid > 0);
	if (outcome->state != state)
		assert_true(f->service.since == T0);
}

static void test_every_pair(void **state)
{
	struct fixture *f = *state;

	for (int from = 0; from < N_SERVICE_STATES; from++) {
		for (int what = 0; what < N_SERVICE_EVENTS; what++) {
			fake_init(&f->fake);
			f->fake.with_states = true;
			check_pair(f, (enum service_state)from, (enum service_event)what);
		}
	}
}

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

/* No limit: the wait stays at its maximum, whatever the count, and does not overflow. */
static void test_no_limit(void **state)
{
	struct fixture *f = *state;

	f->config.restart_limit = 0;
	f->config.backoff = 2000000000;
	f->config.backoff_max = 2147483647;
	for (unsigned i = 1; i < 100; i++) {
		put_into(f, SERVICE_READY);
		f->service.failures = i;
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

/* A clean end that is followed by a restart counts as no failure and waits the shortest time. */
static void test_clean_restart(void **state)
{
	struct fixture *f = *state;

	f->config.restart = RESTART_ALWAYS;
	f->config.restart_limit = 1;
	put_into(f, SERVICE_READY);
	f->service.failures = 5;
	exits(f, EXITED(0), T0);
	in_state(f, SERVICE_BACKOFF);
	assert_int_equal(f->service.failures, 0);
	assert_true(f->service.deadline == T0 + 100);
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

/* SIGKILL does not help: said once, and then there is nothing that could be done, nor a deadline.
 */
static void test_survives_sigkill(void **state)
{
	struct fixture *f = *state;

	put_into(f, SERVICE_STOPPING);
	event(f, SERVICE_DEADLINE, T0);
	did(f, "kill s KILL 0");
	event(f, SERVICE_DEADLINE, T0 + SERVICE_KILL_PATIENCE_MS);
	did(f, "");
	in_state(f, SERVICE_STOPPING);
	assert_string_equal(f->service.problem, "pid 77 survives SIGKILL");
	assert_true(service_next_deadline(&f->service) == NEVER);
	exits(f, KILLED(SIGKILL), T0 + 90000);
	in_state(f, SERVICE_STOPPED);
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
	event(f, SERVICE_STOP, T0);
	assert_true(f->service.deadline == T0 + INT64_C(4294967294));
}

/* No process can be made: that is a failure like any other, with its wait and its limit. */
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
	put_into(f, SERVICE_WAITING);
	f->service.failures = 3;
	event(f, SERVICE_START, T0);
	in_state(f, SERVICE_FAILED);
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

static void test_names(void **state)
{
	static const char *const names[] = { "waiting",	 "starting", "ready",
					     "stopping", "backoff",  "stopping",
					     "stopping", "stopped",  "failed" };

	(void)state;
	for (int i = 0; i < N_SERVICE_STATES; i++)
		assert_string_equal(service_state_name((enum service_state)i), names[i]);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_every_pair),
		TEST(test_start),
		TEST(test_types),
		TEST(test_oneshot),
		TEST(test_restart_policies),
		TEST(test_final_codes),
		TEST(test_backoff),
		TEST(test_no_limit),
		TEST(test_clean_restart),
		TEST(test_healthy_after),
		TEST(test_start_timeout),
		TEST(test_watchdog),
		TEST(test_survives_sigkill),
		TEST(test_hold),
		TEST(test_stop_settings),
		TEST(test_spawn_fails),
		TEST(test_exec_failed),
		TEST(test_extend),
		TEST(test_names),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
