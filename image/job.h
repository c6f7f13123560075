/* What everything that takes time needs: a way to be stopped, to show how far it is, to say why
 * not. */
#pragma once

#include "image/progress.h"
#include "lib/failure.h"

/* The result of what was stopped; there is no message. */
#define JOB_STOPPED (-ECANCELED)

struct job {
	int stop_fd; /* readable once a signal asked to stop */
	struct progress progress;
	struct failure failure;
};

/** job_init() - Block SIGINT, SIGTERM and SIGHUP, and receive them by a descriptor. */
int job_init(struct job *job);

/** job_stopped() - Has a signal asked to stop? */
bool job_stopped(const struct job *job);

/** job_wait() - Wait. Return: 0, or JOB_STOPPED. */
int job_wait(const struct job *job, int milliseconds);

/** job_signal() - The signal that asked to stop. */
int job_signal(const struct job *job);
