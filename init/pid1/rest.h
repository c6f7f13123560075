/*
 * What is left over at the end: processes that are nobody's service, which their parents left to
 * PID 1.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Process numbers are below this: the kernel's PID_MAX_LIMIT (linux/threads.h). */
#define REST_PIDS 4194304

/* Of more the log has the number only. */
#define REST_NAMED 32

struct rest {
	int signal;	  /* the last one */
	unsigned n_named; /* in the log, since it is that one */
	/* A bit for each process that had SIGTERM, and SIGKILL: so that nobody is asked twice. */
	uint64_t termed[REST_PIDS / 64], killed[REST_PIDS / 64];
};

/** rest_kill() - Send SIGTERM or SIGKILL, and SIGCONT, to every child that has not had it yet. */
void rest_kill(struct rest *rest, int signal);

/** rest_forget() - A child is gone: its number may become another's. */
void rest_forget(struct rest *rest, pid_t pid);

/** rest_name() - Say who survives SIGKILL. */
void rest_name(void);
