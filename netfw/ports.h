/*
 * What is plugged into the bridge. Where br_netfilter is on, the guest needs its port's help to
 * reach its own forwards.
 *
 * There the packet filter sees a frame before the bridge does: addressed to the container and led
 * to the guest by a forward, it goes on as a frame to the guest, and no bridge sends a frame back
 * to the port that it came from, unless that port is in hairpin mode. In that mode the guest would
 * also hear its own broadcasts, and take its own address for somebody else's; so the port gets none
 * but those of the bridge itself.
 */
#pragma once

#include "netfw/netfw.h"
#include "netfw/view.h"

/** ports_watch() - Open @talk for news of devices. Return: 0 or -errno. */
int ports_watch(struct talk *talk);

/** ports_forget_news() - What was told so far will be seen. */
void ports_forget_news(const struct talk *talk);

/**
 * ports_tend() - Bring the only port of @bridge into hairpin mode; where another one has come, the
 * two have to hear each other and it ends.
 *
 * Return: 0 or -errno.
 */
int ports_tend(struct talk *route, const struct view *view, const struct view_device *bridge,
	       struct netfw_error *error);
