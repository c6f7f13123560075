/*
 * The rhythm of the probes.
 *
 * A guest that has not answered yet is probed often, because that first answer is what people wait
 * for: a SYN to a guest without an address is lost, and TCP would send the next one a second later,
 * then after two, then four. So an attempt that hears nothing is given up quickly and a new one
 * made: every 250 ms at first, slowly growing to one a second for a guest that takes minutes. Once
 * TCP is connected the server has the whole rdp-timeout to answer.
 *
 * A guest that answered is probed every rdp-interval; only rdp-failures failed probes in a row, in
 * quick succession, make it a guest that does not answer.
 *
 * Nobody has to ask for the guest agent: libvirt tells when it comes and goes. Only one that is
 * gone is looked for again, for as long as it gets away with that: agents are restarted now and
 * then.
 */
#include "init/guest/health.h"

#define EAGER_MS 250    /* between two attempts, for the first EAGER_TRIES of them */
#define PATIENT_MS 1000 /* in the end */
#define EAGER_TRIES 120 /* half a minute */
#define RECHECK_MS 1000 /* after a guest that answered did not */

void health_init(struct health *health, const struct health_config *config)
{
	*health = (struct health){
		.interval = config->rdp_interval,
		.timeout = config->rdp_timeout,
		.failures_max = config->rdp_failures,
		.told = config->probe.kind == PROBE_BY_AGENT,
	};
}

void health_start(struct health *health, bool keep, int64_t now)
{
	health->active = true;
	health->failures = 0;
	health->tries = 0;
	health->next = now;
	if (!keep)
		health->state = RDP_UNKNOWN;
}

void health_stop(struct health *health)
{
	health->active = false;
	health->state = RDP_UNKNOWN;
}

/** pause_between() - From one attempt to the next while nothing has answered. */
static unsigned pause_between(const struct health *health)
{
	unsigned more;

	if (health->tries < EAGER_TRIES)
		return EAGER_MS;
	more = (health->tries - EAGER_TRIES) * 10;
	return more < PATIENT_MS - EAGER_MS ? EAGER_MS + more : PATIENT_MS;
}

unsigned health_connect_timeout(const struct health *health)
{
	unsigned timeout = health->timeout;

	if (health->state != RDP_ANSWERING && pause_between(health) < timeout)
		timeout = pause_between(health);
	return timeout;
}

void health_result(struct health *health, enum probe_result result, int64_t started, int64_t now)
{
	bool answering = health->state == RDP_ANSWERING;

	if (!health->active)
		return;
	if (result == PROBE_ANSWERED) {
		health->state = RDP_ANSWERING;
		health->failures = 0;
		health->tries = 0;
		health->next = health->told ? INT64_MAX : now + health->interval;
		return;
	}
	health->failures++;
	if (!answering || health->failures >= health->failures_max) {
		health->state = result == PROBE_OPEN ? RDP_OPEN : RDP_CLOSED;
		health->tries++;
	}
	if (health->state == RDP_ANSWERING)
		health->next =
			started + (health->interval < RECHECK_MS ? health->interval : RECHECK_MS);
	else
		health->next = health->told ? INT64_MAX : started + pause_between(health);
	/* An attempt that heard nothing took the pause itself; the next one is made at once. */
	if (health->next < now)
		health->next = now;
}

void health_news(struct health *health, int64_t now)
{
	if (health->told)
		health->next = now;
}

int64_t health_next(const struct health *health)
{
	return health->active ? health->next : INT64_MAX;
}
