/* Every pair of a service's state and an event, against a table of what must come of it; the
 * states' names. */
#include "lib/util.h"
#include "service_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
		[SERVICE_STARVED] = BECOMES(STOPPING, "kill s ABRT 0", 50),
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
		[SERVICE_START] = BECOMES(WAITING, "s=waiting", NEVER),
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
	const struct CMUnitTest tests[] = {
		TEST(test_every_pair),
		TEST(test_names),
	};

	return cmocka_run_group_tests_name("service_pairs", tests, NULL, NULL);
}
