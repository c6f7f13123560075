/* The one word that tells an operator how the container is, and why. */
#include "init/pid1/supervisor.h"

#include "lib/util.h"

#include <assert.h>
#include <stdarg.h>

const char *overall_state_name(enum overall_state state)
{
	static const char *const names[] = { "starting", "running", "ready", "degraded",
					     "stopping", "stopped", "failed" };

	static_assert(ARRAY_SIZE(names) == OVERALL_FAILED + 1, "a state without a name");
	return names[state];
}

static void judge(struct supervisor *supervisor, int64_t now, enum overall_state state,
		  const char *reason)
{
	if (state == supervisor->overall && streq(reason, supervisor->overall_reason))
		return;
	if (state != supervisor->overall)
		supervisor->overall_since = now;
	supervisor->overall = state;
	snprintf(supervisor->overall_reason, sizeof(supervisor->overall_reason), "%s", reason);
	supervisor->changes++;
}

static void judge_because(struct supervisor *supervisor, int64_t now, enum overall_state state,
			  const char *format, ...) PRINTF_LIKE(4, 5);

static void judge_because(struct supervisor *supervisor, int64_t now, enum overall_state state,
			  const char *format, ...)
{
	char reason[sizeof(supervisor->overall_reason)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	judge(supervisor, now, state, reason);
}

/*
 * The first service that is not as it should be; one that ended with 0 and was not to be restarted
 * is.
 */
static const struct service *find_lame(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_services; i++) {
		const struct service *service = &supervisor->services[i];

		if (service->state != SERVICE_READY && service->state != SERVICE_STOPPED)
			return service;
	}
	return NULL;
}

enum rdp_state guest_probe_state(const struct guest *guest)
{
	return guest->probe.kind == PROBE_BY_RDP ? guest->rdp : guest->probe_state;
}

/** answers() - Is a guest that runs ready, by what [health] probe says? */
static bool answers(const struct guest *guest)
{
	return guest->probe.kind == PROBE_NOTHING || guest_probe_state(guest) == RDP_ANSWERING;
}

/** judge_silence() - The guest runs and is not ready. */
static void judge_silence(struct supervisor *supervisor, int64_t now)
{
	const struct guest *guest = &supervisor->guest;
	const enum overall_state state = guest->answered ? OVERALL_DEGRADED : OVERALL_RUNNING;
	const unsigned port = guest->probe.port;

	switch (guest->probe.kind) {
	case PROBE_BY_RDP:
		if (guest->answered)
			judge(supervisor, now, state, "the guest stopped answering RDP");
		else
			judge(supervisor, now, state, "the guest does not answer RDP yet");
		break;
	case PROBE_BY_TCP:
		if (guest->answered)
			judge_because(supervisor, now, state,
				      "the guest stopped answering on TCP port %u", port);
		else
			judge_because(supervisor, now, state,
				      "the guest does not answer on TCP port %u yet", port);
		break;
	case PROBE_BY_AGENT:
		if (guest->answered)
			judge(supervisor, now, state, "the guest agent is not connected any more");
		else
			judge(supervisor, now, state, "the guest agent is not connected yet");
		break;
	case PROBE_NOTHING: break;
	}
}

static void judge_guest(struct supervisor *supervisor, int64_t now)
{
	const struct guest *guest = &supervisor->guest;

	switch (guest->state) {
	case GUEST_OFF:
	case GUEST_STARTING:
	case GUEST_BOOTING:
	case GUEST_STOPPING:
		judge_because(supervisor, now, OVERALL_RUNNING, "the guest is %s",
			      guest_state_name(guest->state));
		return;
	case GUEST_PAUSED:
	case GUEST_CRASHED:
		judge_because(supervisor, now, OVERALL_DEGRADED, "guest %s: %s",
			      guest_state_name(guest->state), guest->reason);
		return;
	case GUEST_RUNNING:
	case N_GUEST_STATES: break;
	}
	if (answers(guest)) {
		supervisor->guest.answered = true;
		judge(supervisor, now, OVERALL_READY, "");
	} else {
		judge_silence(supervisor, now);
	}
}

void supervisor_judge(struct supervisor *supervisor, int64_t now)
{
	const struct service *lame = find_lame(supervisor);
	bool was_up = supervisor->overall != OVERALL_STARTING;

	if (supervisor->phase == PHASE_DONE)
		judge(supervisor, now,
		      supervisor->exit_code == EXIT_GUEST_OFF ? OVERALL_STOPPED : OVERALL_FAILED,
		      supervisor->reason);
	else if (supervisor->phase != PHASE_RUN)
		judge(supervisor, now, OVERALL_STOPPING, supervisor->reason);
	else if (lame && (was_up || lame->problem[0]))
		judge_because(supervisor, now, OVERALL_DEGRADED, "%s is %s%s%s", lame->config->name,
			      service_state_name(lame->state), lame->problem[0] ? ": " : "",
			      lame->problem);
	else if (lame)
		judge_because(supervisor, now, OVERALL_STARTING, "%s is %s", lame->config->name,
			      service_state_name(lame->state));
	else if (supervisor->guest.reported)
		judge_guest(supervisor, now);
	else
		judge(supervisor, now, OVERALL_READY, "");
}

const char *supervisor_health(const struct supervisor *supervisor)
{
	const struct guest *guest = &supervisor->guest;

	for (size_t i = 0; i < supervisor->n_services; i++) {
		if (supervisor->services[i].state == SERVICE_FAILED)
			return supervisor->overall_reason;
	}
	if (supervisor->overall == OVERALL_FAILED)
		return supervisor->overall_reason;
	if (supervisor->phase == PHASE_RUN && supervisor->overall == OVERALL_DEGRADED &&
	    guest->reported &&
	    (guest->state == GUEST_PAUSED || guest->state == GUEST_CRASHED ||
	     (guest->state == GUEST_RUNNING && !answers(guest))))
		return supervisor->overall_reason;
	return NULL;
}
