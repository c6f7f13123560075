/*
 * Three dumps: links, routes, addresses. If anything changes between or while they are taken, the
 * kernel says so for each dump by itself and all three are taken again.
 */
#include "netfw/view.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/*
 * How often a view is begun anew because the network changed under it; each try takes well under a
 * millisecond.
 */
#define TRIES 16

/** grow() - Room for one more element of @size at every power of two. Return: 0 or -ENOMEM. */
static int grow(void **array, size_t n, size_t size)
{
	void *grown;

	if (n & (n - 1))
		return 0;
	grown = reallocarray(*array, n ? 2 * n : 1, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

/** fail() - What a libmnl callback returns to give up. */
static int fail(int code)
{
	errno = -code;
	return MNL_CB_ERROR;
}

/** take_port() - What a device is as a port of a bridge. */
static void take_port(const struct nlattr *const info[], struct view_device *device)
{
	const struct nlattr *port[IFLA_BRPORT_BCAST_FLOOD + 1];
	char kind[16] = "";

	attr_text(info[IFLA_INFO_SLAVE_KIND], kind, sizeof(kind));
	if (!streq(kind, "bridge"))
		return;
	attr_index_nested(info[IFLA_INFO_SLAVE_DATA], port, ARRAY_SIZE(port));
	device->hairpin = attr_u8(port[IFLA_BRPORT_MODE], 0);
	device->deaf =
		port[IFLA_BRPORT_BCAST_FLOOD] && !mnl_attr_get_u8(port[IFLA_BRPORT_BCAST_FLOOD]);
}

/** on_link() - One device. */
static int on_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[IFLA_MAX + 1], *about[IFLA_INFO_SLAVE_DATA + 1];
	struct view_device device = { .index = info->ifi_index, .flags = info->ifi_flags };
	struct view *view = context;
	int r;

	attr_index(message, sizeof(*info), attr, ARRAY_SIZE(attr));
	attr_index_nested(attr[IFLA_LINKINFO], about, ARRAY_SIZE(about));
	attr_text(attr[IFLA_IFNAME], device.name, sizeof(device.name));
	attr_text(attr[IFLA_IFALIAS], device.alias, sizeof(device.alias));
	attr_text(about[IFLA_INFO_KIND], device.kind, sizeof(device.kind));
	take_port(about, &device);
	device.mtu = attr_u32(attr[IFLA_MTU], 0);
	device.master = (int)attr_u32(attr[IFLA_MASTER], 0);
	if (attr[IFLA_ADDRESS] &&
	    mnl_attr_get_payload_len(attr[IFLA_ADDRESS]) == sizeof(device.mac))
		memcpy(device.mac, mnl_attr_get_payload(attr[IFLA_ADDRESS]), sizeof(device.mac));

	r = grow((void **)&view->devices, view->n_devices, sizeof(*view->devices));
	if (r < 0)
		return fail(r);
	view->devices[view->n_devices++] = device;
	return MNL_CB_OK;
}

/** add_range() - One more range that is in use. Return: as a libmnl callback. */
static int add_range(struct view *view, struct view_range used, const struct nlattr *address)
{
	size_t size = used.range.family == AF_INET ? 4 : 16;
	int r;

	if (!address || mnl_attr_get_payload_len(address) < size)
		return MNL_CB_OK;
	memcpy(used.range.bytes, mnl_attr_get_payload(address), size);
	r = grow((void **)&view->ranges, view->n_ranges, sizeof(*view->ranges));
	if (r < 0)
		return fail(r);
	view->ranges[view->n_ranges++] = used;
	return MNL_CB_OK;
}

/** first_hop() - Device of the first of several next hops. */
static int first_hop(const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);

	return mnl_attr_get_payload_len(multipath) >= sizeof(*hop) ? hop->rtnh_ifindex : 0;
}

/** on_route() - One route, of whatever table but that of the local addresses. */
static int on_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[RTA_MAX + 1];
	struct view *view = context;
	uint32_t metric;
	int device;

	if (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)
		return MNL_CB_OK;
	if (info->rtm_table == RT_TABLE_LOCAL || (info->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	if (info->rtm_type == RTN_MULTICAST || info->rtm_type == RTN_LOCAL ||
	    info->rtm_type == RTN_BROADCAST)
		return MNL_CB_OK;
	attr_index(message, sizeof(*info), attr, ARRAY_SIZE(attr));
	device = (int)attr_u32(attr[RTA_OIF], 0);
	if (attr[RTA_MULTIPATH])
		device = first_hop(attr[RTA_MULTIPATH]);
	if (info->rtm_dst_len > 0)
		return add_range(view,
				 (struct view_range){ .range = { .family = info->rtm_family,
								 .length = info->rtm_dst_len },
						      .device = device,
						      .route = true },
				 attr[RTA_DST]);
	metric = attr_u32(attr[RTA_PRIORITY], 0);
	if (info->rtm_family == AF_INET && info->rtm_table == RT_TABLE_MAIN && device &&
	    (!view->uplink || metric < view->metric)) {
		view->uplink = device;
		view->metric = metric;
	}
	return MNL_CB_OK;
}

/** same_payload() - Do both hold the same bytes? */
static bool same_payload(const struct nlattr *a, const struct nlattr *b)
{
	size_t length = mnl_attr_get_payload_len(a);

	return length == mnl_attr_get_payload_len(b) &&
	       memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b), length) == 0;
}

/** on_address() - One address; that of the other end, if there is one, is in use as well. */
static int on_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[IFA_MAX + 1], *local, *address;
	struct view_range used = { .range = { .family = info->ifa_family,
					      .length = info->ifa_prefixlen },
				   .device = (int)info->ifa_index };
	struct view *view = context;
	int r;

	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return MNL_CB_OK;
	attr_index(message, sizeof(*info), attr, ARRAY_SIZE(attr));
	local = attr[IFA_LOCAL];
	address = attr[IFA_ADDRESS];
	if (!local || !address || same_payload(local, address))
		return add_range(view, used, local ? local : address);
	/* With a peer, IFA_ADDRESS is the peer's and the length belongs to it. */
	used.peer = true;
	r = add_range(view, used, address);
	if (r < 0)
		return r;
	used.peer = false;
	used.range.length = info->ifa_family == AF_INET ? 32 : 128;
	return add_range(view, used, local);
}

/** dump() - One dump of everything of @type. Return: 0 or -errno. */
static int dump(struct talk *route, uint16_t type, size_t header, mnl_cb_t on_data,
		struct view *view)
{
	char buffer[NLMSG_HDRLEN + sizeof(struct ifinfomsg)];
	struct nlmsghdr *message = talk_message(route, buffer, type, 0);

	/* All zero, and AF_UNSPEC is zero: every family. */
	mnl_nlmsg_put_extra_header(message, header);
	return talk_dump(route, message, on_data, view);
}

int view_read(struct talk *route, struct view *ret_view)
{
	struct view view = { 0 };
	int r;

	for (int i = 0; i < TRIES; i++) {
		view_clear(&view);
		r = dump(route, RTM_GETLINK, sizeof(struct ifinfomsg), on_link, &view);
		if (r == 0)
			r = dump(route, RTM_GETROUTE, sizeof(struct rtmsg), on_route, &view);
		if (r == 0)
			r = dump(route, RTM_GETADDR, sizeof(struct ifaddrmsg), on_address, &view);
		if (r != -EINTR)
			break;
	}
	if (r < 0) {
		view_clear(&view);
		return r == -EINTR ? -EBUSY : r;
	}
	*ret_view = view;
	return 0;
}

void view_clear(struct view *view)
{
	free(view->devices);
	free(view->ranges);
	*view = (struct view){ 0 };
}

const struct view_device *view_device(const struct view *view, int index)
{
	for (size_t i = 0; i < view->n_devices; i++) {
		if (view->devices[i].index == index)
			return &view->devices[i];
	}
	return NULL;
}

const struct view_device *view_device_named(const struct view *view, const char *name)
{
	for (size_t i = 0; i < view->n_devices; i++) {
		if (streq(view->devices[i].name, name))
			return &view->devices[i];
	}
	return NULL;
}
