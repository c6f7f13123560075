/*
 * The decisions of netfw_choose(), without its questions to the kernel: subnet, addresses, MTU.
 * Pure.
 */
#pragma once

#include "netfw/netfw.h"
#include "netfw/view.h"

/* What the kernel's switches say about IPv6. */
struct ipv6_switches {
	bool disabled; /* on the bridge, or on devices that are made from now on */
	bool forwarding;
};

/**
 * choose_network() - Decide.
 * @mark: alias of a bridge that this library made
 *
 * A bridge of ours from a previous run keeps its subnet as long as the wish allows it: a guest may
 * be using it.
 *
 * Return: 0, or -EINVAL, -EADDRINUSE, -EADDRNOTAVAIL, -EEXIST with @error.
 */
int choose_network(const struct netfw_wish *wish, const char *mark, const struct view *view,
		   const struct ipv6_switches *switches, struct netfw_network *ret_network,
		   struct netfw_error *error);

/** choose_is_ours() - Was @device made by this library? */
bool choose_is_ours(const struct view_device *device, const char *mark);
