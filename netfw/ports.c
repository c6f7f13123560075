#include "netfw/ports.h"

#include "netfw/error.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

int ports_watch(struct talk *talk)
{
	int group = RTNLGRP_LINK;
	int r = talk_open(talk, NETLINK_ROUTE);

	if (r < 0)
		return r;
	if (mnl_socket_setsockopt(talk->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		r = -errno;
	if (r < 0)
		talk_close(talk);
	return r;
}

void ports_forget_news(const struct talk *talk)
{
	char byte;

	/* Also that there was more than there was room for. */
	while (recv(mnl_socket_get_fd(talk->socket), &byte, sizeof(byte), MSG_DONTWAIT) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
}

/** set_hairpin() - Of one port. */
static int set_hairpin(struct talk *route, const struct view_device *port, bool on,
		       struct netfw_error *error)
{
	char buffer[128] = "", what[64];
	struct nlmsghdr *message = talk_message(route, buffer, RTM_SETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct nlattr *settings;
	int r;

	info->ifi_family = AF_BRIDGE;
	info->ifi_index = port->index;
	settings = mnl_attr_nest_start(message, IFLA_PROTINFO);
	mnl_attr_put_u8(message, IFLA_BRPORT_MODE, on);
	/* These are about what comes from ports: the bridge's own always arrives. */
	mnl_attr_put_u8(message, IFLA_BRPORT_MCAST_FLOOD, !on);
	mnl_attr_put_u8(message, IFLA_BRPORT_BCAST_FLOOD, !on);
	mnl_attr_nest_end(message, settings);
	r = talk_request(route, message, NULL, NULL, NULL);
	snprintf(what, sizeof(what), "switching hairpin mode of %s %s", port->name,
		 on ? "on" : "off");
	/* It may have been pulled out in the meantime. */
	return r < 0 && r != -ENODEV && r != -EINVAL ? netfw_fail_system(error, r, what) : 0;
}

int ports_tend(struct talk *route, const struct view *view, const struct view_device *bridge,
	       struct netfw_error *error)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < view->n_devices; i++)
		n += view->devices[i].master == bridge->index;
	for (size_t i = 0; i < view->n_devices && r == 0; i++) {
		const struct view_device *port = &view->devices[i];

		if (port->master != bridge->index)
			continue;
		if (n == 1 && !port->hairpin)
			r = set_hairpin(route, port, true, error);
		/* Whoever else switched it on has not done it like this. */
		if (n > 1 && port->hairpin && port->deaf)
			r = set_hairpin(route, port, false, error);
	}
	return r;
}
