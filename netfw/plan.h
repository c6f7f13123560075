/*
 * The planner: forwards as people want them become map elements as the kernel wants them. Pure, no
 * I/O.
 *
 * A port is an element of a hash map that gives address and port; a range that keeps its ports is
 * one element of an interval map that gives the address only. The kernel's NAT cannot shift a
 * range, it would send every port of it to the first one, so a shifted range is expanded to one
 * element for each port.
 */
#pragma once

#include "netfw/netfw.h"

/*
 * An interval map's cost grows faster than its size: 100 ranges take 0.6 ms, 1,000 take 7 ms and
 * 10,000 half a second. So the longest ranges stay ranges, and the others become ports.
 */
#define PLAN_MAX_RANGES 256

struct plan_element {
	uint8_t proto;
	uint16_t first; /* listening ports, host order, inclusive */
	uint16_t last;
	uint16_t guest;	  /* port in the guest; equal to @first for a range */
	uint32_t forward; /* index of the forward that it comes from; of several, the first */
};

/* Elements in the order of protocol and port, without overlaps; the memory is used again. */
struct plan_list {
	struct plan_element *element;
	size_t n, room;
};

/* Some ports of both protocols, a bit for each. */
struct plan_ports {
	uint8_t tcp[8192];
	uint8_t udp[8192];
};

struct plan {
	struct plan_list ports;	 /* of one port each */
	struct plan_list ranges; /* as few as possible: those that touch are one */
	struct plan_list spans;	 /* the same ports as @ranges, each forward by itself: what is
				    counted */
	struct plan_list work;	 /* the planner's own */
};

/**
 * plan_make() - Check @rules and turn them into elements.
 * @plan: zeroed, or from a plan before; to be emptied with plan_clear()
 *
 * Forwards that come in the order of protocol and port are planned in linear time.
 *
 * Return: 0, -EINVAL for a forward that is impossible, -EEXIST for two that listen on one port or
 * one that does on a kept port, -ENOMEM. On failure @plan has no elements.
 */
int plan_make(const struct netfw_rules *rules, struct plan *plan, struct netfw_error *error);

void plan_clear(struct plan *plan);

/** plan_find() - The element of @list that has @port, or NULL. */
const struct plan_element *plan_find(const struct plan_list *list, uint8_t proto, uint16_t port);

/** plan_ports_add() - Those of @element. */
void plan_ports_add(struct plan_ports *ports, const struct plan_element *element);

bool plan_ports_has(const struct plan_ports *ports, uint8_t proto, uint16_t port);

/** plan_proto_name() - "tcp" or "udp", of IPPROTO_TCP or IPPROTO_UDP. */
const char *plan_proto_name(uint8_t proto);

/** plan_compare() - The order of a list, for qsort(3): by protocol and first port. */
int plan_compare(const void *a, const void *b);

/** plan_grow() - Make room for one more. Return: 0 or -ENOMEM. */
int plan_grow(struct plan_list *list);

/** plan_push() - Append to @list. Return: 0 or -ENOMEM. */
static inline int plan_push(struct plan_list *list, const struct plan_element *element)
{
	if (list->n == list->room || !list->element) {
		int r = plan_grow(list);

		if (r < 0)
			return r;
	}
	list->element[list->n++] = *element;
	return 0;
}
