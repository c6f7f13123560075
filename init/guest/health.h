/*
 * When the guest is probed, and what the answers add up to. Pure: time is passed in, the
 * probes themselves are in probe.c.
 */
#pragma once

#include "lib/config.h"
#include "lib/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* What one probe found out. */
enum probe_result {
	PROBE_SILENT,   /* nothing came back */
	PROBE_REFUSED,  /* the guest itself said that nobody listens: it is alive */
	PROBE_OPEN,     /* TCP connected, but what came was no valid answer, or nothing came */
	PROBE_ANSWERED, /* what shows that the guest is ready: for RDP, a valid connection confirm
			 */
};

struct health {
	unsigned interval;     /* ms */
	unsigned timeout;      /* ms */
	unsigned failures_max; /* probes in a row */
	bool told;             /* news come by themselves: health_news() */
	bool active;           /* the guest runs */
	enum rdp_state state;
	unsigned failures; /* in a row */
	unsigned tries;    /* since the guest started, or answered for the last time */
	int64_t next;      /* when to probe */
};

/** health_init() - Nothing is probed before health_start(). */
void health_init(struct health *health, const struct health_config *config);

/**
 * health_start() - The guest begins to boot: probe at once and often.
 * @keep: it was only away for a while; what was known stays until a probe says otherwise
 */
void health_start(struct health *health, bool keep, int64_t now);

/** health_stop() - The guest does not run; what would answer is unknown. */
void health_stop(struct health *health);

/** health_result() - The probe that began at @started ended. */
void health_result(struct health *health, enum probe_result result, int64_t started, int64_t now);

/** health_news() - What is told by itself may have changed: the next probe is due. */
void health_news(struct health *health, int64_t now);

/** health_connect_timeout() - How long the next probe waits for TCP to connect, in ms. */
unsigned health_connect_timeout(const struct health *health);

/** health_next() - When the next probe is due; INT64_MAX for never. */
int64_t health_next(const struct health *health);
