#include "lib/wire.h"

#include "lib/util.h"

#include <assert.h>

static const char *const guest_state_names[] = { "off",	   "starting", "booting", "running",
						 "paused", "stopping", "crashed" };
static const char *const rdp_state_names[] = { "unknown", "closed", "open", "answering" };
static const char *const stop_phase_names[] = {
	"none", "agent", "button", "save", "destroy-graceful", "destroy"
};

static const char *const guest_start_names[] = { "unknown", "cold", "resumed", "warm" };
static const char *const freeze_state_names[] = { "none", "running", "done", "failed" };

static_assert(ARRAY_SIZE(guest_state_names) == N_GUEST_STATES, "a guest state without a name");
static_assert(ARRAY_SIZE(rdp_state_names) == N_RDP_STATES, "an RDP state without a name");
static_assert(ARRAY_SIZE(stop_phase_names) == N_STOP_PHASES, "a stop phase without a name");

static_assert(ARRAY_SIZE(guest_start_names) == N_GUEST_STARTS, "a guest's start without a name");
static_assert(ARRAY_SIZE(freeze_state_names) == N_FREEZE_STATES,
	      "a state of a freeze without a name");

static int find_name(const char *const names[], int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (streq(names[i], name))
			return i;
	}
	return -1;
}

const char *guest_state_name(enum guest_state state)
{
	return guest_state_names[state];
}

const char *rdp_state_name(enum rdp_state state)
{
	return rdp_state_names[state];
}

const char *stop_phase_name(enum stop_phase phase)
{
	return stop_phase_names[phase];
}

const char *guest_start_name(enum guest_start start)
{
	return guest_start_names[start];
}

const char *freeze_state_name(enum freeze_state state)
{
	return freeze_state_names[state];
}

int guest_state_parse(const char *name)
{
	return find_name(guest_state_names, N_GUEST_STATES, name);
}

int rdp_state_parse(const char *name)
{
	return find_name(rdp_state_names, N_RDP_STATES, name);
}

int stop_phase_parse(const char *name)
{
	return find_name(stop_phase_names, N_STOP_PHASES, name);
}

int guest_start_parse(const char *name)
{
	return find_name(guest_start_names, N_GUEST_STARTS, name);
}

int freeze_state_parse(const char *name)
{
	return find_name(freeze_state_names, N_FREEZE_STATES, name);
}
