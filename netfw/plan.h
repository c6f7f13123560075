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

struct plan_element {
	uint8_t proto;
	uint16_t first; /* listening ports, host order, inclusive */
	uint16_t last;
	uint16_t guest; /* port in the guest; equal to @first for a range */
	size_t forward; /* index of the forward it comes from; of several, the first */
};

/* Both sorted by protocol and port. */
struct plan {
	struct plan_element *ports;
	size_t n_ports;
	struct plan_element *ranges;
	size_t n_ranges;
};

/**
 * plan_make() - Check @forwards and turn them into elements.
 * @ret_plan: to be emptied with plan_clear(), untouched on failure
 *
 * Return: 0, -EINVAL for a forward that is impossible, -EEXIST for two that listen on one port,
 * -ENOMEM.
 */
int plan_make(const struct netfw_forward *forwards, size_t n, struct plan *ret_plan,
	      struct netfw_error *error);

void plan_clear(struct plan *plan);
