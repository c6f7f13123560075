/*
 * What PID 1 knows of the guest: sd_notify datagrams with what has changed, and nothing when
 * nothing has.
 */
#pragma once

#include "lib/probe_choice.h"
#include "lib/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct report_facts {
	bool known; /* the guest's state is; until then PID 1 keeps what it was told by a
		       predecessor */
	enum guest_state state;
	char reason[160];
	pid_t pid;	  /* QEMU's; 0: none */
	char address[16]; /* the guest's, dotted decimal; empty: not known */
	struct probe_choice probe;
	enum rdp_state probe_state; /* what that found */
	uint64_t latency;	    /* us, of the last answer; 0: none */
	unsigned boots;		    /* 0: not known */
	enum stop_phase phase;
	enum guest_start start;
	char start_reason[160]; /* why it booted although there was a state */
	const char *cpu;	/* that it sees; NULL: not known */
	enum freeze_state freeze;
	char freeze_reason[160];
	char frozen[256]; /* the directory, when that is done */
	char status[160]; /* one line for people */
	bool ready;
	bool stopping;
};

struct report {
	bool sent; /* anything */
	struct report_facts last;
};

/** report_send() - Tell PID 1 what differs from what it was told last. */
void report_send(struct report *report, const struct report_facts *facts);

/** report_hangs() - A service of this name does not answer: PID 1 ends it and starts it again. */
void report_hangs(const char *service);

/** report_extend() - Ask PID 1 for patience: @ms from now until the start or the stop is done. */
void report_extend(int64_t ms);
