/* Effects that only write down what was asked of them, for tests of the state machines. */
#pragma once

#include "init/pid1/supervisor.h"

struct fake {
	struct effects effects;
	int spawn_error; /* -errno that spawn returns, 0: it works */
	pid_t next_pid;
	unsigned chance;  /* what chance adds, as far as it may */
	bool with_states; /* write down changes of state too */
	char log[4096];	  /* "spawn a=100; kill a TERM 0; rest KILL; a=ready" */
};

/** fake_init() - Effects with an empty log; pids begin with 100. */
void fake_init(struct fake *fake);

/** fake_did() - What was asked since the last call. */
const char *fake_did(struct fake *fake);
