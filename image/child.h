/* One helper program at a time, run to its end or until a signal asks to stop. */
#pragma once

#include "image/job.h"

#define CHILD_OUTPUT_MAX 65536

struct child_output {
	char out[CHILD_OUTPUT_MAX]; /* the beginning of its stdout, or what came last of it */
	char error[512];	    /* the beginning of its stderr, as one line */
	size_t n_out;
	int code; /* its exit code; 128+n for a signal */
};

/**
 * child_run() - Run @argv[0], a path, and wait.
 * @watch: called for what comes on stdout as it comes, a text; NULL: stdout is collected
 *
 * Return: 0 when it has ended, however; JOB_STOPPED, or -errno when it could not be run.
 */
int child_run(struct job *job, char *const argv[], void (*watch)(struct job *job, const char *text),
	      struct child_output *ret_output);
