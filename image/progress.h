/*
 * How far it is: a bar on a terminal, a line in the log every few seconds elsewhere, and STATUS=
 * for PID 1.
 */
#pragma once

#include "lib/util.h"

#define PROGRESS_SAMPLES 8

struct progress {
	const char *what;	     /* "importing" */
	uint64_t done, total;	     /* bytes, or anything that is counted in; total 0: not known */
	bool bytes;		     /* they are bytes: a rate means something */
	int64_t shown, told, logged; /* when, in ms */
	bool terminal;		     /* stderr is one */
	bool drawn;		     /* a bar stands on it */
	bool notify;		     /* PID 1, or somebody, wants STATUS= */
	/* The rate is that of the last few seconds: a second between two samples. */
	struct progress_sample {
		int64_t at;
		uint64_t done;
	} samples[PROGRESS_SAMPLES];
	unsigned n_samples;
};

/** progress_begin() - A new thing is done, of which @done is there already. */
void progress_begin(struct progress *progress, const char *what, bool bytes, uint64_t done,
		    uint64_t total);

/** progress_at() - So much of it is there; shown when it is time to. */
void progress_at(struct progress *progress, uint64_t done);

/** progress_end() - Nothing more is coming: the bar goes. */
void progress_end(struct progress *progress);

/* The pure part. */

/** progress_sample() - Remember where it was at @now, ms. */
void progress_sample(struct progress *progress, int64_t now);

/** progress_rate() - Units a second over the last seconds; 0: not known yet. */
uint64_t progress_rate(const struct progress *progress, int64_t now);

/** progress_text() - "importing: 45 %, 1.8 of 4.0 GiB, 120 MiB/s, 30 s left". */
void progress_text(const struct progress *progress, int64_t now, size_t size, char *ret_line);

/** progress_bar() - The same as one line of @columns characters at most. */
void progress_bar(const struct progress *progress, int64_t now, unsigned columns, size_t size,
		  char *ret_line);
