/*
 * A container's services on fake effects, for the tests of the supervisor:
 *   a        notify, critical
 *   b        notify, critical, after a
 *   c        oneshot, critical
 *   d        simple, after c
 *   m        notify, main, after b and d; 0 and 7 are final
 */
#pragma once

#include "fake_effects.h"

#include <signal.h>
#include <sys/wait.h>

#define EXITED(code) W_EXITCODE(code, 0)
#define KILLED(signal) W_EXITCODE(0, signal)

/* QEMU, in every test that has one. */
#define QEMU 500

enum { A, B, C, D, M, N_SERVICES };

struct fixture {
	struct fake fake;
	struct config config;
	struct supervisor supervisor;
	int64_t now;
};

/* What was asked of the effects since the last time, and a service's state. */
#define did(f, text) assert_string_equal(fake_did(&(f)->fake), text)
#define is(f, service, state_) assert_int_equal((f)->supervisor.services[service].state, state_)
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int enter(void **state);
int leave(void **state);

/** again() - From the beginning, with the configuration as it is now. */
void again(struct fixture *f);

void step(struct fixture *f);

/** pass() - Time goes by, deadline by deadline, as the loop would have it. */
void pass(struct fixture *f, int64_t ms);

/* Events, each followed by a step. */
void says(struct fixture *f, int service, const char *text);
void execs(struct fixture *f, int service);
void dies(struct fixture *f, int service, int wait_status);

/** start_all() - Everything is ready, nothing is in the log. */
void start_all(struct fixture *f);

/** start_with_guest() - And QEMU runs and answers. */
void start_with_guest(struct fixture *f);
