/*
 * One probe of a TCP port at a time: connect, ask RDP's question, read the answer, close in order.
 * Driven by libvirt's event loop and by deadlines that the caller watches; when to probe is
 * health.c's business.
 */
#pragma once

#include "init/guest/health.h"
#include "init/guest/rdp.h"

#include <net/if.h>
#include <netinet/in.h>

/**
 * probe_fn() - A probe ended. @started: when it began, in ms; @latency: from then to the answer, in
 * us.
 */
typedef void probe_fn(void *context, enum probe_result result, int64_t started, uint64_t latency);

enum probe_phase { PROBE_IDLE, PROBE_CONNECTING, PROBE_ASKING, PROBE_CLOSING };

struct probe {
	struct sockaddr_in address;
	char bridge[IF_NAMESIZE]; /* the only interface that is used; empty: any */
	bool connect_only;	  /* a connection that is accepted is the answer */
	probe_fn *done;
	void *context;
	enum probe_phase phase;
	int fd;
	int watch; /* of libvirt's event loop; -1: none */
	int64_t started;
	uint64_t started_us;
	unsigned timeout; /* ms from connected to answered */
	int64_t deadline; /* of this phase */
	uint8_t answer[RDP_ANSWER_MAX + 1];
	size_t n;
};

/** probe_init() - Set what is probed. Nothing happens yet. */
void probe_init(struct probe *probe, struct in_addr address, unsigned port, const char *bridge,
		probe_fn *done, void *context);

/** probe_busy() - Is a probe under way? One that only closes its connection is not. */
bool probe_busy(const struct probe *probe);

/** probe_begin() - Start one. Its end is told by the callback, perhaps before this returns. */
void probe_begin(struct probe *probe, unsigned connect_timeout, unsigned timeout, int64_t now);

/** probe_deadline() - When to call probe_expire(); INT64_MAX for never. */
int64_t probe_deadline(const struct probe *probe);

/** probe_expire() - Act on a deadline that has passed. */
void probe_expire(struct probe *probe, int64_t now);

/** probe_abort() - Forget the probe that is under way, without telling anybody. */
void probe_abort(struct probe *probe);
