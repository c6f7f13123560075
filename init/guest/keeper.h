/*
 * The guest's keeper: everything that casement-guest knows and does, in one event loop.
 *
 * Whatever comes in (a signal, a message, a deadline, QEMU's end) is turned into events of the
 * guest's life (life.h), which change the state and wish for jobs. keeper_settle() then does what
 * is due: it is the one place where jobs are given, probes begun, the stop carried on, PID 1 told
 * and the timer set.
 */
#pragma once

#include "init/guest/console.h"
#include "init/guest/health.h"
#include "init/guest/probe.h"
#include "init/guest/qemu.h"
#include "init/guest/report.h"
#include "init/guest/room.h"
#include "init/guest/stop.h"
#include "init/guest/timer.h"
#include "init/guest/worker.h"
#include "lib/failure.h"

/* Where things are; tests have places of their own. */
struct keeper_paths {
	const char *uri;      /* of libvirtd */
	const char *qemu_run; /* pid files */
	const char *qemu_log; /* QEMU's log files */
	const char *boots;    /* the count of boots, across restarts of casement-guest */
	const char *serial;   /* the log of the guest's serial port */
};

extern const struct keeper_paths keeper_paths;

struct keeper {
	const struct config *config;
	struct plan *plan;
	const struct keeper_paths *paths;

	struct inbox inbox;
	struct virt virt; /* the worker's, once that runs */
	struct worker worker;
	struct timer timer;
	struct console console;
	int inbox_watch;
	int signal_watch;
	int signal_fd;

	/* libvirtd */
	bool linked;	       /* connected, and the guest was looked at */
	bool broken;	       /* this connection is gone, perhaps before it was complete */
	unsigned connection;   /* number of the current one, or of the one that is being made */
	int64_t next_connect;  /* when to try */
	int64_t connect_until; /* how long the attempt that is under way may take */
	int64_t away_since;
	int64_t next_complaint; /* when to say again that it is away */
	unsigned backoff;	/* ms */
	bool outdated;		/* something happened while the guest was being looked at */
	enum virt_job wanted;	/* to be given when the worker is free */

	/* the guest */
	enum life_state life;
	struct stop stop;
	struct health health;
	struct probe probe;
	struct room room;
	struct qemu qemu;
	int qemu_watch;
	struct evidence evidence;
	int64_t weighing_since; /* 0: not yet */
	bool agent;		/* connected */
	bool alive;		/* has shown life since it booted */
	bool created;		/* by this process */
	int64_t next_key;	/* when to press one for the medium; INT64_MAX: never */
	int64_t keys_until;
	bool eject_answers; /* the CD with them is to be taken out */
	bool restoring;		/* it is being loaded from its saved state */
	bool deaf;		/* its events may be about an attempt that failed: a look follows */
	bool restored;		/* it was */
	bool warm;		/* from the state of a frozen guest */
	bool wake_up;		/* it was resumed, and its agent has to be told */
	bool reload;		/* it was saved for a freeze that came to nothing */
	char cold[160];		/* why it boots although there was a state; empty: there was none */
	enum freeze_state freeze;
	bool asking; /* Windows whether it may be frozen; nothing is done to it yet */
	char freeze_reason[160];
	char frozen[256]; /* the directory */
	unsigned create_tries;
	unsigned start_failures; /* in a row */
	int64_t start_until;	 /* how long the start that is under way may take */
	bool start_late;	 /* it took longer, and was ended */
	int64_t next_look;	 /* when to look at the guest again */
	unsigned boots;
	int64_t rebooted; /* when, in ms */
	uint64_t latency; /* us, of the last answer */
	char pause_reason[64];
	char refusal[1024]; /* libvirt's words */
	bool config_error;

	/* PID 1 */
	struct report report;
	int64_t watchdog; /* ms between two signs of life; 0: none wanted */
	int64_t next_watchdog;
	bool known; /* PID 1 has been told the guest's state */
	bool ready;

	bool ended;
	int exit_code;
	char last_words[1536];
};

/**
 * keeper_init() - Make the event loop and begin to connect to libvirtd.
 * @signal_fd: see signals.h; closed by keeper_clear()
 *
 * virEventRegisterDefaultImpl() must have been called. Return: 0 or -errno.
 */
int keeper_init(struct keeper *keeper, const struct config *config, struct plan *plan,
		const struct keeper_paths *paths, int signal_fd);

/** keeper_prepare() - What does not need libvirtd, while that is being connected to. May end it. */
void keeper_prepare(struct keeper *keeper);

/** keeper_run() - Until the guest's end. Return: the exit code; keeper->last_words say why. */
int keeper_run(struct keeper *keeper);

/** keeper_clear() - Free everything; it waits for a call to libvirtd that is under way. */
void keeper_clear(struct keeper *keeper);
