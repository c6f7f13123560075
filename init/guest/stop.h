/*
 * How the guest is stopped: which step is due, decided by the clock and by what can be done. Pure.
 * Where it is decided that the guest stops, and what a step does, is in keeper.c.
 */
#pragma once

#include "lib/config.h"
#include "lib/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* What can be stopped. */
enum stop_target {
	STOP_TARGET_UNKNOWN,  /* whether a guest runs is not known: libvirtd has not been asked yet
			       */
	STOP_TARGET_STARTING, /* not there yet */
	STOP_TARGET_RUNNING,
	STOP_TARGET_PAUSED, /* cannot hear the button */
	STOP_TARGET_ASLEEP, /* neither */
	STOP_TARGET_DYING,  /* has shut down; only its process is left */
};

struct stop_view {
	enum stop_target target;
	bool libvirt; /* connected, and no call under way */
	bool busy;    /* connected, and a call under way */
	bool agent;   /* the guest agent is connected */
	bool process; /* QEMU's process is known and lives */
};

enum stop_order {
	STOP_ORDER_WAIT,
	STOP_ORDER_RESUME,
	STOP_ORDER_WAKE,
	STOP_ORDER_BUTTON,
	STOP_ORDER_AGENT,
	STOP_ORDER_SAVE, /* stop_saved() or stop_not_saved() has to follow */
	STOP_ORDER_DESTROY_GRACEFUL,
	STOP_ORDER_DESTROY,
	STOP_ORDER_TERM,  /* SIGTERM to QEMU: libvirtd cannot be asked */
	STOP_ORDER_KILL,  /* SIGKILL to QEMU */
	STOP_ORDER_LEAVE, /* nothing tells of a guest, or nothing more can be done */
};

struct stop {
	unsigned resend;    /* ms */
	bool use_agent;     /* ask the agent when it is connected */
	bool save;          /* at the deadline, instead of destroying; once */
	unsigned save_timeout; /* ms */
	bool requested;
	bool lingering;     /* the guest is off and QEMU is not, yet */
	bool agent_asked;   /* since the last press */
	bool roused;        /* resumed or woken since the last press */
	unsigned presses;
	unsigned escalations; /* steps taken since the deadline */
	int64_t since;
	int64_t deadline;
	int64_t linger_until;
	int64_t save_until; /* 0: not begun */
	int64_t next_press;
	int64_t next_escalation;
	enum stop_phase phase;
};

void stop_init(struct stop *stop, const struct stop_config *config);

/**
 * stop_begin() - Stop the guest within @timeout ms; the first press is due at once.
 *
 * Return: false if it was being stopped already, which changes nothing.
 */
bool stop_begin(struct stop *stop, unsigned timeout, int64_t now);

/** stop_hurry() - The deadline is now. If it is over already: there is no time to save anything. */
void stop_hurry(struct stop *stop, int64_t now);

/**
 * stop_linger() - The guest is off by itself; its QEMU gets a moment to go, and is made to go then.
 *
 * libvirtd ends it normally. It cannot while it is away, and QEMU waits for it for ever.
 */
void stop_linger(struct stop *stop, int64_t now);

/** stop_no_linger() - It was no end: the guest runs again. */
void stop_no_linger(struct stop *stop);

/** stop_saved() - The guest is saved, and its QEMU gets a moment to go. */
void stop_saved(struct stop *stop, int64_t now);

/** stop_not_saved() - It could not be saved: go on without that. */
void stop_not_saved(struct stop *stop, int64_t now);

/** stop_failed() - The step that was ordered last after the deadline failed: go on to the next. */
void stop_failed(struct stop *stop, int64_t now);

/** stop_order() - What to do now; the policy takes it for done. */
enum stop_order stop_order(struct stop *stop, const struct stop_view *view, int64_t now);

/** stop_next() - When to ask again if nothing happens; INT64_MAX for never. */
int64_t stop_next(const struct stop *stop, const struct stop_view *view);
