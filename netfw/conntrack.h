/* Connection tracking by ctnetlink: the entries that flows.c finds stale are deleted. */
#pragma once

#include "netfw/error.h"
#include "netfw/flows.h"
#include "netfw/talk.h"

/**
 * conntrack_end() - Delete every entry that is stale.
 * @filter: socket of NETLINK_NETFILTER
 * @ret_n: how many were deleted
 *
 * Each is deleted by its own tuple and number, found by reading them all: a deletion by a filter
 * (CTA_FILTER) would take everything on a kernel that does not know the filter.
 *
 * Return: 0 or -errno with @error.
 */
int conntrack_end(struct talk *filter, const struct flow_judge *judge, size_t *ret_n,
		  struct netfw_error *error);
