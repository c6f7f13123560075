/*
 * The bridge, in this order: it is made if it is missing; marked, sized and brought up; given its
 * addresses, while those that it should not have are taken away; last, forwarding.
 *
 * /proc/sys is read-only in a container without privileges, but rtnetlink has the same IPv4
 * switches for each device (IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF; include/uapi/linux/ip.h numbers
 * them), and these want NET_ADMIN only.
 */
#include "netfw/link.h"

#include "lib/util.h"
#include "netfw/choose.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>

struct linker {
	struct talk *route;
	const char *mark;
	const struct netfw_network *network;
	const struct view *view;
	int index; /* of the bridge, once it exists */
	bool ours; /* made by this library, now or before */
	struct netfw_error *error;
};

/* Every message here is small: a name, an alias, a MAC, two addresses. */
struct request {
	char buffer[512];
	struct nlmsghdr *message;
};

/** begin() - A message in a clean buffer: libmnl does not fill the gaps between attributes. */
static void begin(struct linker *l, struct request *request, uint16_t type, uint16_t flags)
{
	*request = (struct request){ 0 };
	request->message = talk_message(l->route, request->buffer, type, flags);
}

/** begin_link() - A message about the device @index. */
static void begin_link(struct linker *l, struct request *request, uint16_t type, uint16_t flags,
		       int index, bool up)
{
	struct ifinfomsg *info;

	begin(l, request, type, flags);
	info = mnl_nlmsg_put_extra_header(request->message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = index;
	if (up) {
		info->ifi_flags = IFF_UP;
		info->ifi_change = IFF_UP;
	}
}

/**
 * put_ipv4_switches() - Forwarding, and if @localnet also routing of 127.0.0.0/8, on the device of
 * this message.
 */
static void put_ipv4_switches(struct request *request, bool localnet)
{
	struct nlattr *spec = mnl_attr_nest_start(request->message, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(request->message, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(request->message, IFLA_INET_CONF);

	mnl_attr_put_u32(request->message, IPV4_DEVCONF_FORWARDING, 1);
	if (localnet)
		mnl_attr_put_u32(request->message, IPV4_DEVCONF_ROUTE_LOCALNET, 1);
	mnl_attr_nest_end(request->message, conf);
	mnl_attr_nest_end(request->message, family);
	mnl_attr_nest_end(request->message, spec);
}

/** send_request() - Send it; on failure say what was tried and what the kernel says. */
static int send_request(struct linker *l, struct request *request, mnl_cb_t on_data, void *context,
			const char *action)
{
	struct talk_answer answer = { 0 };
	int r = talk_request(l->route, request->message, on_data, context, &answer);
	char what[320];

	if (r == 0)
		return 0;
	if (answer.text[0])
		snprintf(what, sizeof(what), "%s %s (%s)", action, l->network->bridge, answer.text);
	else
		snprintf(what, sizeof(what), "%s %s", action, l->network->bridge);
	return netfw_fail_system(l->error, r, what);
}

/** make_bridge() - Create the device. */
static int make_bridge(struct linker *l)
{
	const struct netfw_network *network = l->network;
	struct nlattr *info, *data;
	struct request request;
	int r;

	begin_link(l, &request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	mnl_attr_put_strz(request.message, IFLA_IFNAME, network->bridge);
	/*
	 * An address of its own: otherwise the bridge takes that of a port and changes it as taps
	 * come and go.
	 */
	mnl_attr_put(request.message, IFLA_ADDRESS, sizeof(network->bridge_mac),
		     network->bridge_mac);
	info = mnl_attr_nest_start(request.message, IFLA_LINKINFO);
	mnl_attr_put_strz(request.message, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(request.message, IFLA_INFO_DATA);
	/*
	 * One guest makes no loop, and its first DHCP request must not wait for a forwarding delay.
	 */
	mnl_attr_put_u32(request.message, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u32(request.message, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_nest_end(request.message, data);
	mnl_attr_nest_end(request.message, info);
	r = send_request(l, &request, NULL, NULL, "making the bridge");
	if (r == -EOPNOTSUPP)
		return netfw_fail(l->error, NETFW_FAULT_KERNEL, r,
				  "the kernel does not know bridges: load the module bridge on the "
				  "host (modprobe bridge)");
	return r;
}

/** on_index() - Take the index from the answer about one device. */
static int on_index(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	int *index = context;

	*index = info->ifi_index;
	return MNL_CB_OK;
}

/** find_bridge() - The index of the device that was just made. */
static int find_bridge(struct linker *l)
{
	struct request request;

	begin_link(l, &request, RTM_GETLINK, 0, 0, false);
	mnl_attr_put_strz(request.message, IFLA_IFNAME, l->network->bridge);
	return send_request(l, &request, on_index, &l->index, "looking for the bridge");
}

/** configure_bridge() - Mark, size and bring up the bridge and switch its forwarding on. */
static int configure_bridge(struct linker *l)
{
	struct request request;

	begin_link(l, &request, RTM_SETLINK, 0, l->index, true);
	if (l->ours)
		mnl_attr_put_strz(request.message, IFLA_IFALIAS, l->mark);
	mnl_attr_put_u32(request.message, IFLA_MTU, l->network->mtu);
	put_ipv4_switches(&request, true);
	return send_request(l, &request, NULL, NULL, "configuring the bridge");
}

/** change_address() - Add or remove one address of the bridge. */
static int change_address(struct linker *l, uint16_t type, const struct range *range,
			  const char *action)
{
	size_t size = range->family == AF_INET ? 4 : 16;
	struct ifaddrmsg *info;
	struct request request;
	uint32_t broadcast;

	begin(l, &request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	info = mnl_nlmsg_put_extra_header(request.message, sizeof(*info));
	info->ifa_family = range->family;
	info->ifa_prefixlen = range->length;
	info->ifa_index = (unsigned)l->index;
	/*
	 * Nobody else can have it, and dnsmasq could not bind to an address that is still being
	 * checked.
	 */
	if (range->family == AF_INET6)
		info->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(request.message, IFA_LOCAL, size, range->bytes);
	mnl_attr_put(request.message, IFA_ADDRESS, size, range->bytes);
	if (range->family == AF_INET && type == RTM_NEWADDR) {
		memcpy(&broadcast, range->bytes, sizeof(broadcast));
		broadcast |= htonl(~netmask4(range->length));
		mnl_attr_put(request.message, IFA_BROADCAST, sizeof(broadcast), &broadcast);
	}
	return send_request(l, &request, NULL, NULL, action);
}

/** set_addresses() - What is right is left alone, so that connections through it do not notice. */
static int set_addresses(struct linker *l)
{
	const struct netfw_network *network = l->network;
	struct range wanted[2] = { range4(network->address, network->prefix) };
	size_t n = 1;
	bool present[2] = { false, false }, removed = false;
	int r;

	if (network->ipv6 == NETFW_IPV6_ON || network->ipv6 == NETFW_IPV6_NO_FORWARDING)
		wanted[n++] = range6(&network->address6, network->prefix6);
	for (size_t i = 0; i < l->view->n_ranges; i++) {
		const struct view_range *used = &l->view->ranges[i];
		bool right = false;

		if (used->route || used->device != l->index || range_link_local(&used->range))
			continue;
		for (size_t k = 0; k < n; k++) {
			if (!range_equal(&wanted[k], &used->range))
				continue;
			present[k] = true;
			right = true;
		}
		if (right || !l->ours)
			continue;
		r = change_address(l, RTM_DELADDR, &used->range,
				   "removing an old address of the bridge");
		if (r < 0)
			return r;
		removed = true;
	}
	for (size_t k = 0; k < n; k++) {
		/* The kernel may take one that is right away with one that is not: the same subnet.
		 */
		if (present[k] && !removed)
			continue;
		r = change_address(l, RTM_NEWADDR, &wanted[k], "adding an address to the bridge");
		if (r < 0)
			return r;
	}
	return 0;
}

/** has_ipv4() - Does @device have an IPv4 address? */
static bool has_ipv4(const struct view *view, const struct view_device *device)
{
	for (size_t i = 0; i < view->n_ranges; i++) {
		const struct view_range *used = &view->ranges[i];

		if (!used->route && used->device == device->index && used->range.family == AF_INET)
			return true;
	}
	return false;
}

/**
 * forward_uplinks() - Switch forwarding on for every device by which a client may come in.
 *
 * The switch counts on the device where a packet arrives. A container may be attached to several
 * networks, and the forwards are to be reached through each of them, so this is not about the one
 * with the default route. A device without an IPv4 address cannot be the target of an IPv4
 * connection, and lo needs no forwarding.
 */
static int forward_uplinks(struct linker *l)
{
	struct request request;
	char action[64];
	int r;

	for (size_t i = 0; i < l->view->n_devices; i++) {
		const struct view_device *device = &l->view->devices[i];

		if (device->index == l->index || device->master == l->index ||
		    (device->flags & IFF_LOOPBACK) || !has_ipv4(l->view, device))
			continue;
		begin_link(l, &request, RTM_SETLINK, 0, device->index, false);
		put_ipv4_switches(&request, false);
		snprintf(action, sizeof(action), "switching forwarding on from %s to",
			 device->name);
		r = send_request(l, &request, NULL, NULL, action);
		if (r < 0)
			return r;
	}
	return 0;
}

int link_up(struct talk *route, const char *mark, const struct netfw_network *network,
	    const struct view *view, struct netfw_error *error)
{
	struct linker l = {
		.route = route, .mark = mark, .network = network, .view = view, .error = error
	};
	const struct view_device *bridge = view_device_named(view, network->bridge);
	int r;

	if (bridge) {
		l.index = bridge->index;
		l.ours = choose_is_ours(bridge, mark);
	} else {
		l.ours = true;
		r = make_bridge(&l);
		if (r < 0)
			return r;
		r = find_bridge(&l);
		if (r < 0)
			return r;
	}
	r = configure_bridge(&l);
	if (r < 0)
		return r;
	r = set_addresses(&l);
	if (r < 0)
		return r;
	return forward_uplinks(&l);
}

int link_down(struct talk *route, const char *mark, const char *bridge, const struct view *view,
	      struct netfw_error *error)
{
	const struct view_device *device = view_device_named(view, bridge);
	struct netfw_network network = { 0 };
	struct linker l = {
		.route = route, .mark = mark, .network = &network, .view = view, .error = error
	};
	struct request request;

	if (!device || !choose_is_ours(device, mark))
		return 0;
	memcpy(network.bridge, device->name, sizeof(network.bridge));
	begin_link(&l, &request, RTM_DELLINK, 0, device->index, false);
	return send_request(&l, &request, NULL, NULL, "removing the bridge");
}
