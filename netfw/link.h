/* The bridge and the switches of the other devices, by rtnetlink. */
#pragma once

#include "netfw/error.h"
#include "netfw/talk.h"
#include "netfw/view.h"

/**
 * link_up() - Make the bridge as @network says, and switch IPv4 forwarding on.
 * @mark: alias by which the bridge is known as ours later
 * @view: what there is now
 *
 * Return: 0 or -errno with @error.
 */
int link_up(struct talk *route, const char *mark, const struct netfw_network *network,
	    const struct view *view, struct netfw_error *error);

/** link_down() - Remove the bridge if it is ours. Return: 0 or -errno with @error. */
int link_down(struct talk *route, const char *mark, const char *bridge, const struct view *view,
	      struct netfw_error *error);
