/*
 * What shows that the guest is ready, [health] probe: begun here, added up by health.c.
 *
 * Of the guest agent only its connection is looked at, which libvirt reports by itself. A
 * guest-ping would know more, but it is a call that lasts as long as the agent hangs: it would keep
 * the one worker from pressing the power button, and the agent's channel from a shutdown. Nobody is
 * harmed by looking.
 */
#include "init/guest/keeper_parts.h"

#include "lib/log.h"

/** log_answer() - The guest answers, where it did not before. */
static void log_answer(const struct probe_choice *choice, uint64_t latency)
{
	switch (choice->kind) {
	case PROBE_BY_RDP: log_info("RDP answers, in %llu us", (unsigned long long)latency); break;
	case PROBE_BY_TCP:
		log_info("TCP port %u answers, in %llu us", choice->port,
			 (unsigned long long)latency);
		break;
	case PROBE_BY_AGENT: /* is logged when it connects */
	case PROBE_NOTHING: break;
	}
}

/** log_silence() - The other way round. */
static void log_silence(const struct probe_choice *choice)
{
	switch (choice->kind) {
	case PROBE_BY_RDP: log_warning("RDP does not answer any more"); break;
	case PROBE_BY_TCP: log_warning("TCP port %u does not answer any more", choice->port); break;
	case PROBE_BY_AGENT: log_warning("the guest agent does not come back"); break;
	case PROBE_NOTHING: break;
	}
}

/** conclude() - A probe ended. */
static void conclude(struct keeper *keeper, enum probe_result result, int64_t started,
		     uint64_t latency)
{
	const struct probe_choice *choice = &keeper->config->health.probe;
	enum rdp_state before = keeper->health.state;

	health_result(&keeper->health, result, started, now_ms());
	if (result == PROBE_ANSWERED && choice->kind == PROBE_BY_RDP)
		keeper->latency = latency;
	if (keeper->health.state != before && keeper->health.state == RDP_ANSWERING)
		log_answer(choice, latency);
	else if (before == RDP_ANSWERING && keeper->health.state != before)
		log_silence(choice);
	if (keeper->health.state == RDP_ANSWERING)
		keeper_install_answered(keeper);
	if (result != PROBE_SILENT && !keeper->alive)
		keeper_feed(keeper, LIFE_SIGN);
}

static void on_probe(void *context, enum probe_result result, int64_t started, uint64_t latency)
{
	struct keeper *keeper = context;

	conclude(keeper, result, started, latency);
	/* A probe that ends as it begins was begun by keeper_settle(), which is not done yet. */
	keeper_report(keeper);
	timer_set(&keeper->timer, now_ms());
}

void keeper_probe_init(struct keeper *keeper)
{
	const struct health_config *config = &keeper->config->health;
	const struct netinfo *network = &keeper->plan->netinfo;
	bool rdp = config->probe.kind == PROBE_BY_RDP;

	health_init(&keeper->health, config);
	probe_init(&keeper->probe, network->guest_address,
		   rdp ? config->rdp_port : config->probe.port, network->bridge, on_probe, keeper);
	keeper->probe.connect_only = !rdp;
}

void keeper_probe_start(struct keeper *keeper, bool keep)
{
	bool possible = false;

	switch (keeper->config->health.probe.kind) {
	case PROBE_BY_RDP:
	/* Without a network of ours nothing is known that could be probed. */
	case PROBE_BY_TCP: possible = keeper->plan->network; break;
	case PROBE_BY_AGENT: possible = true; break;
	case PROBE_NOTHING: break;
	}
	if (possible)
		health_start(&keeper->health, keep, now_ms());
}

void keeper_probe_agent(struct keeper *keeper, bool connected)
{
	keeper->agent = connected;
	health_news(&keeper->health, now_ms());
}

void keeper_probe_if_due(struct keeper *keeper, int64_t now)
{
	enum probe_kind kind = keeper->config->health.probe.kind;

	/* That it was started is all that there will ever be to know. */
	if (kind == PROBE_NOTHING && keeper->life == LIFE_BOOTING)
		keeper_feed(keeper, LIFE_SIGN);
	probe_expire(&keeper->probe, now);
	if (probe_busy(&keeper->probe) || now < health_next(&keeper->health))
		return;
	if (kind == PROBE_BY_AGENT)
		conclude(keeper, keeper->agent ? PROBE_ANSWERED : PROBE_SILENT, now, 0);
	else
		probe_begin(&keeper->probe, health_connect_timeout(&keeper->health),
			    keeper->health.timeout, now);
}
