/* One service on fake effects, for the tests of its state machine. */
#pragma once

#include "fake_effects.h"

#include <signal.h>
#include <sys/wait.h>

#define T0 INT64_C(1000000) /* now, in every test's beginning */

#define EXITED(code) W_EXITCODE(code, 0)
#define KILLED(signal) W_EXITCODE(0, signal)

struct fixture {
	struct fake fake;
	struct service_config
		config; /* of a notify service that is restarted on failure; 7 is final */
	struct service service;
};

#define did(f, text) assert_string_equal(fake_did(&(f)->fake), text)
#define in_state(f, state_) assert_int_equal((f)->service.state, state_)
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int enter(void **state);
int leave(void **state);

void event(struct fixture *f, enum service_event what, int64_t now);

/** exits() - The process ends with a wait status. */
void exits(struct fixture *f, int wait_status, int64_t now);

/** put_into() - A service as it is in the midst of a state: what it has there, and its deadlines.
 */
void put_into(struct fixture *f, enum service_state state);
