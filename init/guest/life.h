/*
 * The guest's life: which state it is in, and what an event does to it. A table; pure.
 *
 * Two things are deliberately not in it: whether libvirtd can be reached (link.c's business: a
 * guest lives on without it), and how a stop goes about (stop.c's).
 */
#pragma once

#include <stdbool.h>

enum life_state {
	LIFE_UNKNOWN,  /* libvirtd has not said yet whether the guest runs */
	LIFE_DEFINING, /* it does not, and libvirtd is being told what it is */
	LIFE_CREATING, /* QEMU is being started */
	LIFE_BOOTING,  /* it runs, and has shown no life yet */
	LIFE_RUNNING,
	LIFE_PAUSED, /* its processors are stopped, by a disk that is full for instance */
	LIFE_ASLEEP, /* it put itself to sleep */
	/* The same once it is to stop. */
	LIFE_STOP_UNKNOWN,
	LIFE_STOP_CREATING,
	LIFE_STOP_RUNNING,
	LIFE_STOP_PAUSED,
	LIFE_STOP_ASLEEP,
	LIFE_DYING, /* it is off: its process and the evidence of how it ended are still awaited */
	LIFE_ENDED,
	N_LIFE_STATES
};

enum life_event {
	/* What libvirtd says when it is asked, after each connection. */
	LIFE_FOUND_OFF,      /* it does not run, and has not since libvirtd started */
	LIFE_FOUND_ENDED,    /* it did run, and ended */
	LIFE_FOUND_STARTING, /* a start is under way */
	/* What happens to it, found or told. */
	LIFE_UP, /* its processors run: started, resumed, woken, or found so */
	LIFE_SUSPENDED,
	LIFE_SLEPT,
	LIFE_REBOOTED,
	LIFE_SIGN,     /* of life: an answer on its port, or its agent */
	LIFE_SHUTDOWN, /* it powered off; QEMU is about to go */
	LIFE_STOPPED,  /* libvirtd says that it is off */
	LIFE_GONE,     /* QEMU's process is gone */
	/* How our own doings ended. */
	LIFE_DEFINED,
	LIFE_CREATED,
	LIFE_REFUSED, /* libvirtd does not want the definition */
	LIFE_FAILED,  /* it could not be started */
	LIFE_RETRY,   /* nor could it, and it is tried once more */
	LIFE_RELOAD,  /* it was saved, and is to go on from there at once */
	LIFE_LOST,    /* libvirtd went away, and with it the answer to what was asked */
	/* What we want. */
	LIFE_STOP,
	LIFE_GIVE_UP,  /* the last step of a stop is done */
	LIFE_CONCLUDE, /* the evidence is complete, or as complete as it gets */
	N_LIFE_EVENTS
};

enum life_action {
	LIFE_DO_NOTHING,
	LIFE_DO_DEFINE,
	LIFE_DO_CREATE,
	LIFE_DO_PAUSE,   /* look again in a while, and start it then */
	LIFE_DO_WATCH,   /* it is up: find its process, probe it, tell PID 1 that it is ready */
	LIFE_DO_REWATCH, /* it is up again: probe it */
	LIFE_DO_REBOOT,  /* count the boot and probe it as in the first */
	LIFE_DO_REST,    /* it cannot answer: do not probe it */
	LIFE_DO_LINGER,  /* QEMU has little time left to go by itself */
	LIFE_DO_WEIGH,   /* collect the evidence */
	LIFE_DO_LEAVE,   /* there is no guest to stop: the end, in order */
	LIFE_DO_REJECT,  /* the configuration is to blame: the end */
	LIFE_DO_FAIL,    /* it did not start: the end */
	LIFE_DO_JUDGE,   /* say how it ended: the end */
	N_LIFE_ACTIONS
};

struct life_step {
	enum life_state next;
	enum life_action action;
};

/** life_step() - What @event does in @state. Most pairs do nothing and stay. */
struct life_step life_step(enum life_state state, enum life_event event);

/** life_stopping() - Is this one of the states of a guest that is to stop? */
bool life_stopping(enum life_state state);

/** life_up() - Does the guest's QEMU exist, and is the guest not off, as far as is known? */
bool life_up(enum life_state state);

const char *life_state_name(enum life_state state);
const char *life_event_name(enum life_event event);
const char *life_action_name(enum life_action action);
