/*
 * One supervised service: its life as a table of states and events. No system call is made here;
 * what has to be done is asked of struct effects, and time comes in as an argument, so that every
 * pair can be tested with fakes.
 */
#pragma once

#include "init/pid1/effects.h"
#include "lib/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NEVER INT64_MAX

/* Time between SIGKILL and the insight that a process does not go: it hangs in the kernel. */
#define SERVICE_KILL_PATIENCE_MS 5000

/*
 * A pause before a restart is longer by up to this part of it, by chance: what failed together in
 * many containers does not come back together.
 */
#define SERVICE_JITTER_PERCENT 10

/*
 * An end that takes its time may ask for more (EXTEND_TIMEOUT_USEC), but not for ever: this much on
 * top of the time that it was given.
 */
#define SERVICE_EXTEND_MAX_MS 60000

/*
 * How long a stop signal waits for the first word of a child that has not set up its signals yet.
 */
#define SERVICE_HOLD_MS 1000

enum service_state {
	SERVICE_WAITING,  /* for those it is after */
	SERVICE_STARTING, /* forked, not ready yet */
	SERVICE_READY,
	SERVICE_ENDING,	  /* it failed while alive (start timeout, watchdog): being ended, to be
			     started again */
	SERVICE_BACKOFF,  /* dead, waiting for the restart */
	SERVICE_HOLDING,  /* asked to stop; the stop signal waits until it can be handled */
	SERVICE_STOPPING, /* asked to stop */
	SERVICE_STOPPED,  /* down, as it should be */
	SERVICE_FAILED,	  /* down for good, as it should not be */
	N_SERVICE_STATES
};

enum service_event {
	SERVICE_START,	     /* its conditions are met; after FAILED: it is needed all the same */
	SERVICE_EXECED,	     /* the child became the program */
	SERVICE_EXEC_FAILED, /* it could not; it is about to exit */
	SERVICE_SPOKE,	     /* a datagram of its own arrived */
	SERVICE_SAID_READY,  /* with READY=1 in it */
	SERVICE_EXITED,	     /* reaped; wait_status is set */
	SERVICE_DEADLINE,    /* the time that its state allows is over */
	SERVICE_STARVED,     /* no WATCHDOG=1 in time */
	SERVICE_STOP,	     /* asked to stop */
	N_SERVICE_EVENTS
};

struct service {
	const struct service_config *config;
	enum service_state state;
	pid_t pid;	   /* 0: there is no process */
	int64_t since;	   /* of the state, CLOCK_MONOTONIC ms like every time here */
	int64_t started;   /* last fork */
	int64_t deadline;  /* of the state; NEVER if it has none */
	int64_t latest;	   /* how far the deadline can be put off */
	int64_t starves;   /* when the watchdog bites; NEVER without one */
	int wait_status;   /* of the last process, as waitpid(2) has it */
	unsigned failures; /* in a row */
	unsigned tries;	   /* restarts since it was last healthy, whatever for */
	unsigned restarts; /* in all */
	bool started_once;
	bool spoke;	  /* the process sent a datagram */
	bool exec_failed; /* the process never became the program */
	int exec_error;	  /* why, an errno; set before the event */
	bool stalled;	  /* nor was it the service's fault: the next time it may */
	bool pushed;	  /* it was told to end because of a fault: its code is an answer to that */
	bool killed;	  /* SIGKILL was sent to the process */
	bool forgiven;	  /* it had failed for good and got another chance in mid-stop */
	bool reload_due;  /* it was starting at a SIGHUP: it is told as soon as it is ready */
	bool reloading;	  /* it said RELOADING=1 and nothing since */
	int64_t reload_ends; /* until when that may last */
	const char *accuser; /* who says that the process hangs; NULL: nobody does */
	int stop_value;	     /* goes along with the stop signal, see lib/wire.h */
	unsigned stop_extra; /* ms that its work may take beyond that */
	char status[160];    /* its own words, from STATUS= */
	char problem[160];   /* why it is not as it should be; empty otherwise */
};

/** service_init() - A service that waits for its conditions. */
void service_init(struct service *service, const struct service_config *config, int64_t now);

/** service_event() - Let an event happen. */
void service_event(struct service *service, enum service_event event, const struct effects *effects,
		   int64_t now);

/** service_feed() - WATCHDOG=1 arrived. */
void service_feed(struct service *service, int64_t now);

/** service_extend() - EXTEND_TIMEOUT_USEC: the state's deadline is @ms from now, if that is later;
 * for one that is being ended at most SERVICE_EXTEND_MAX_MS later than it was. */
void service_extend(struct service *service, int64_t ms, int64_t now);

/** service_lost() - Nobody ran for @ms: its deadlines are that much later. */
void service_lost(struct service *service, int64_t ms);

/** service_next_deadline() - When the service wants to be looked at; NEVER: not before something
 * happens. */
int64_t service_next_deadline(const struct service *service);

/** service_is_down() - Is there no process, and will there be none? */
bool service_is_down(const struct service *service);

/** service_has_finished() - Did the last process exit with one of the codes that are final? */
bool service_has_finished(const struct service *service);

/** service_exit_code() - How the last process ended, as a shell would say it: the code, or 128 +
 * the signal. */
int service_exit_code(const struct service *service);

/** service_state_name() - As in the status: two of our states may share a name there. */
const char *service_state_name(enum service_state state);
