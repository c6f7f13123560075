/*
 * The table of the guest's life. A pair that is not in it does nothing: the state stays.
 *
 *   UNKNOWN ─ DEFINING ─ CREATING ─ BOOTING ─ RUNNING ─┐
 *      └────────(it runs already)──────┘  PAUSED ASLEEP ├─ DYING ─ ENDED
 *
 * Every state before DYING but DEFINING has a twin for a guest that is to stop (BOOTING and RUNNING
 * share one). Nothing that libvirtd does or suffers leads to DYING: only the guest's end does.
 */
#include "init/guest/life.h"

#include "lib/util.h"

#include <assert.h>

struct cell {
	bool listed;
	struct life_step step;
};

#define GO(state, act) { true, { LIFE_##state, LIFE_DO_##act } }

/*
 * The ways in which a guest that was up is not any more. FOUND_OFF: libvirtd is a new one that
 * never knew it up.
 */
#define ENDS_WHEN_OFF                                                 \
	[LIFE_FOUND_OFF] = { true, { LIFE_DYING, LIFE_DO_WEIGH } },   \
	[LIFE_FOUND_ENDED] = { true, { LIFE_DYING, LIFE_DO_WEIGH } }, \
	[LIFE_STOPPED] = { true, { LIFE_DYING, LIFE_DO_WEIGH } },     \
	[LIFE_GONE] = { true, { LIFE_DYING, LIFE_DO_WEIGH } },        \
	[LIFE_SHUTDOWN] = { true, { LIFE_DYING, LIFE_DO_LINGER } }

static const struct cell table[N_LIFE_STATES][N_LIFE_EVENTS] = {
	[LIFE_UNKNOWN] = {
		[LIFE_FOUND_OFF] = GO(DEFINING, DEFINE),
		[LIFE_FOUND_ENDED] = GO(DYING, WEIGH),
		/* An earlier casement-guest asked for it; a second start would be refused. */
		[LIFE_FOUND_STARTING] = GO(CREATING, NOTHING),
		[LIFE_UP] = GO(BOOTING, WATCH),
		[LIFE_SUSPENDED] = GO(PAUSED, WATCH),
		[LIFE_SLEPT] = GO(ASLEEP, WATCH),
		[LIFE_SHUTDOWN] = GO(DYING, LINGER),
		[LIFE_GONE] = GO(DYING, WEIGH),
		[LIFE_STOP] = GO(STOP_UNKNOWN, NOTHING),
	},
	[LIFE_DEFINING] = {
		[LIFE_DEFINED] = GO(CREATING, CREATE),
		[LIFE_REFUSED] = GO(ENDED, REJECT),
		[LIFE_LOST] = GO(UNKNOWN, NOTHING),
		/* Somebody else was faster, with virsh for instance. */
		[LIFE_UP] = GO(BOOTING, WATCH),
		[LIFE_STOP] = GO(ENDED, LEAVE),
	},
	[LIFE_CREATING] = {
		[LIFE_CREATED] = GO(BOOTING, WATCH),
		[LIFE_UP] = GO(BOOTING, WATCH),
		[LIFE_SUSPENDED] = GO(PAUSED, WATCH),
		[LIFE_SHUTDOWN] = GO(DYING, LINGER),
		[LIFE_STOPPED] = GO(DYING, WEIGH),
		/* GONE says less than the FAILED that follows it. */
		[LIFE_FAILED] = GO(ENDED, FAIL),
		[LIFE_RETRY] = GO(UNKNOWN, PAUSE),
		[LIFE_LOST] = GO(UNKNOWN, NOTHING),
		/* The start that an earlier casement-guest had asked for came to nothing. */
		[LIFE_FOUND_OFF] = GO(DEFINING, DEFINE),
		[LIFE_FOUND_ENDED] = GO(DEFINING, DEFINE),
		[LIFE_STOP] = GO(STOP_CREATING, NOTHING),
	},
	[LIFE_BOOTING] = {
		ENDS_WHEN_OFF,
		[LIFE_SIGN] = GO(RUNNING, NOTHING),
		[LIFE_SUSPENDED] = GO(PAUSED, REST),
		[LIFE_SLEPT] = GO(ASLEEP, REST),
		[LIFE_REBOOTED] = GO(BOOTING, REBOOT),
		[LIFE_STOP] = GO(STOP_RUNNING, NOTHING),
	},
	[LIFE_RUNNING] = {
		ENDS_WHEN_OFF,
		[LIFE_SUSPENDED] = GO(PAUSED, REST),
		[LIFE_SLEPT] = GO(ASLEEP, REST),
		[LIFE_REBOOTED] = GO(BOOTING, REBOOT),
		[LIFE_STOP] = GO(STOP_RUNNING, NOTHING),
	},
	[LIFE_PAUSED] = {
		ENDS_WHEN_OFF,
		[LIFE_UP] = GO(BOOTING, REWATCH),
		[LIFE_SLEPT] = GO(ASLEEP, REST),
		[LIFE_REBOOTED] = GO(PAUSED, REBOOT),
		[LIFE_STOP] = GO(STOP_PAUSED, NOTHING),
	},
	[LIFE_ASLEEP] = {
		ENDS_WHEN_OFF,
		[LIFE_UP] = GO(BOOTING, REWATCH),
		[LIFE_SUSPENDED] = GO(PAUSED, REST),
		[LIFE_REBOOTED] = GO(BOOTING, REBOOT),
		[LIFE_STOP] = GO(STOP_ASLEEP, NOTHING),
	},
	[LIFE_STOP_UNKNOWN] = {
		[LIFE_FOUND_OFF] = GO(ENDED, LEAVE),
		[LIFE_FOUND_ENDED] = GO(DYING, WEIGH),
		[LIFE_FOUND_STARTING] = GO(STOP_CREATING, NOTHING),
		[LIFE_UP] = GO(STOP_RUNNING, WATCH),
		[LIFE_SUSPENDED] = GO(STOP_PAUSED, WATCH),
		[LIFE_SLEPT] = GO(STOP_ASLEEP, WATCH),
		[LIFE_SHUTDOWN] = GO(DYING, LINGER),
		[LIFE_GONE] = GO(DYING, WEIGH),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
	},
	[LIFE_STOP_CREATING] = {
		[LIFE_CREATED] = GO(STOP_RUNNING, WATCH),
		[LIFE_UP] = GO(STOP_RUNNING, WATCH),
		[LIFE_SUSPENDED] = GO(STOP_PAUSED, WATCH),
		[LIFE_SHUTDOWN] = GO(DYING, LINGER),
		[LIFE_STOPPED] = GO(DYING, WEIGH),
		[LIFE_FAILED] = GO(ENDED, FAIL),
		[LIFE_LOST] = GO(STOP_UNKNOWN, NOTHING),
		[LIFE_FOUND_OFF] = GO(ENDED, LEAVE),
		[LIFE_FOUND_ENDED] = GO(ENDED, LEAVE),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
	},
	[LIFE_STOP_RUNNING] = {
		ENDS_WHEN_OFF,
		[LIFE_SUSPENDED] = GO(STOP_PAUSED, REST),
		[LIFE_SLEPT] = GO(STOP_ASLEEP, REST),
		[LIFE_REBOOTED] = GO(STOP_RUNNING, REBOOT),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
	},
	[LIFE_STOP_PAUSED] = {
		ENDS_WHEN_OFF,
		[LIFE_UP] = GO(STOP_RUNNING, REWATCH),
		[LIFE_SLEPT] = GO(STOP_ASLEEP, REST),
		[LIFE_REBOOTED] = GO(STOP_PAUSED, REBOOT),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
	},
	[LIFE_STOP_ASLEEP] = {
		ENDS_WHEN_OFF,
		[LIFE_UP] = GO(STOP_RUNNING, REWATCH),
		[LIFE_SUSPENDED] = GO(STOP_PAUSED, REST),
		[LIFE_REBOOTED] = GO(STOP_RUNNING, REBOOT),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
	},
	[LIFE_DYING] = {
		[LIFE_FOUND_OFF] = GO(DYING, WEIGH),
		[LIFE_FOUND_ENDED] = GO(DYING, WEIGH),
		[LIFE_STOPPED] = GO(DYING, WEIGH),
		[LIFE_GONE] = GO(DYING, WEIGH),
		/* A domain XML with <on_poweroff>restart: it powered off and starts again. */
		[LIFE_UP] = GO(BOOTING, REBOOT),
		[LIFE_REBOOTED] = GO(BOOTING, REBOOT),
		[LIFE_RELOAD] = GO(DEFINING, DEFINE),
		/* libvirt's message says more than the evidence. */
		[LIFE_FAILED] = GO(ENDED, FAIL),
		[LIFE_GIVE_UP] = GO(ENDED, JUDGE),
		[LIFE_CONCLUDE] = GO(ENDED, JUDGE),
	},
	/* [LIFE_ENDED]: nothing happens any more. */
};

struct life_step life_step(enum life_state state, enum life_event event)
{
	const struct cell *cell = &table[state][event];

	return cell->listed ? cell->step : (struct life_step){ state, LIFE_DO_NOTHING };
}

bool life_stopping(enum life_state state)
{
	return state >= LIFE_STOP_UNKNOWN && state <= LIFE_STOP_ASLEEP;
}

bool life_up(enum life_state state)
{
	return (state >= LIFE_BOOTING && state <= LIFE_ASLEEP) ||
	       (state >= LIFE_STOP_RUNNING && state <= LIFE_STOP_ASLEEP);
}

static const char *const state_names[] = {
	"unknown", "defining", "creating", "booting", "running", "paused", "asleep", "stop-unknown",
	"stop-creating", "stop-running", "stop-paused", "stop-asleep", "dying", "ended",
};

static const char *const event_names[] = {
	"found-off", "found-ended", "found-starting", "up",	 "suspended", "slept",	 "rebooted",
	"sign",	     "shutdown",    "stopped",	      "gone",	 "defined",   "created", "refused",
	"failed",    "retry",	    "reload",	      "lost",	 "stop",      "give-up", "conclude",
};

static const char *const action_names[] = {
	"nothing", "define", "create", "pause", "watch", "rewatch", "reboot", "rest", "linger", "weigh",
	"leave", "reject", "fail", "judge",
};

static_assert(ARRAY_SIZE(state_names) == N_LIFE_STATES, "a state without a name");
static_assert(ARRAY_SIZE(event_names) == N_LIFE_EVENTS, "an event without a name");
static_assert(ARRAY_SIZE(action_names) == N_LIFE_ACTIONS, "an action without a name");

const char *life_state_name(enum life_state state)
{
	return state_names[state];
}

const char *life_event_name(enum life_event event)
{
	return event_names[event];
}

const char *life_action_name(enum life_action action)
{
	return action_names[action];
}
