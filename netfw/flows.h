/*
 * Tracked connections that were judged by other rules than those in force. Pure; conntrack.c asks
 * the kernel for them and ends them.
 *
 * NAT is decided by a connection's first packet and kept in its entry. So a client whose datagrams
 * came before a forward was there keeps its entry alive and never reaches the guest, and what was
 * forwarded once goes on after the forward is gone.
 */
#pragma once

#include "netfw/plan.h"
#include "netfw/view.h"

/* An address of either family, as in struct range: IPv4 uses the first four bytes. */
struct flow_address {
	uint8_t bytes[16];
};

/* What an entry says; ports in host order. */
struct flow {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t proto;
	struct flow_address client;  /* who began it */
	struct flow_address asked;   /* whom it asked */
	uint16_t asked_port;	     /* at which port */
	struct flow_address answers; /* who answers */
	uint16_t answers_port;	     /* from which port */
	bool forwarded;		     /* another one than was asked */
};

/* The rules in force, and those before. */
struct flow_judge {
	const struct plan *plan;
	const struct plan_ports *gone; /* ports that led elsewhere before */
	struct in_addr guest;
	struct in6_addr guest6;
	const struct view *view; /* for the container's own addresses */
	bool removed;		 /* connections through forwards that are gone end, too */
};

/** flow_is_stale() - Would it be treated otherwise if it began now, and shall it be ended? */
bool flow_is_stale(const struct flow_judge *judge, const struct flow *flow);
