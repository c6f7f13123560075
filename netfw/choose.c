/*
 * The decisions, in this order: is the name one, and does it belong to a bridge; the subnet: the
 * bridge's own, the fixed one, or the first that is free; the addresses in it; IPv6; the MTU.
 */
#include "netfw/choose.h"

#include "netfw/error.h"
#include "netfw/subnet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>

/* The guest's host number; the second is for a subnet in which the first would not fit. */
#define GUEST_HOST 68
#define GUEST_HOST_SMALL 2

#define PREFIX_MIN 8
#define PREFIX_MAX 29

#define MTU_DEFAULT 1500

/* RFC 4193 wants a random global ID of 40 bits, then 16 bits are the site's own. */
#define ULA_PREFIX 64

/* Shorter IPv6 routes than a site's say nothing about who uses a random prefix in them. */
#define ULA_OBSTACLE_MIN 48

static_assert(SUBNET_OBSTACLE_MAX <= sizeof(((struct netfw_network *)NULL)->obstacle),
	      "no room for the obstacle's text");

struct chooser {
	const struct netfw_wish *wish;
	const struct view *view;
	const struct view_device *bridge; /* NULL: it is not there yet */
	bool ours;
	int own; /* the bridge's index, which does not count as being in the way; 0: none */
	struct netfw_network network;
	struct netfw_error *error;
};

bool choose_is_ours(const struct view_device *device, const char *mark)
{
	return streq(device->kind, "bridge") && streq(device->alias, mark);
}

/**
 * valid_name() - A device name that needs no quoting in any file or rule; `all` and `default` name
 * files in /proc.
 */
static bool valid_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t length = strlen(name);

	if (length == 0 || length >= IF_NAMESIZE || strspn(name, letters) != length ||
	    name[0] == '-')
		return false;
	return !streq(name, ".") && !streq(name, "..") && !streq(name, "all") &&
	       !streq(name, "default");
}

/** choose_bridge() - Name, MAC, and what is there already. */
static int choose_bridge(struct chooser *c, const char *mark)
{
	const struct netfw_wish *wish = c->wish;

	if (!valid_name(wish->bridge))
		return netfw_fail(c->error, NETFW_FAULT_BRIDGE, -EINVAL,
				  "\"%.40s\" cannot be the bridge's name: use 1 to %d letters, "
				  "digits, '_', '.' or '-'",
				  wish->bridge, IF_NAMESIZE - 1);
	c->bridge = view_device_named(c->view, wish->bridge);
	if (c->bridge && !streq(c->bridge->kind, "bridge"))
		return netfw_fail(
			c->error, NETFW_FAULT_BRIDGE, -EEXIST,
			"the device %s exists and is no bridge%s%s%s: choose another name",
			wish->bridge, c->bridge->kind[0] ? " but of kind \"" : "", c->bridge->kind,
			c->bridge->kind[0] ? "\"" : "");
	c->ours = c->bridge && choose_is_ours(c->bridge, mark);
	c->own = c->bridge ? c->bridge->index : 0;
	memcpy(c->network.bridge, wish->bridge, strlen(wish->bridge) + 1);

	/*
	 * Locally administered, no multicast. The last octet differs from the guest's, and so from
	 * that of libvirt's tap device too, which is the guest's MAC with another first octet.
	 */
	memcpy(c->network.bridge_mac, wish->guest_mac, sizeof(c->network.bridge_mac));
	c->network.bridge_mac[0] = (uint8_t)((wish->guest_mac[0] & ~1u) | 2u);
	c->network.bridge_mac[5] ^= 0x80;
	return 0;
}

static struct in_addr host(struct in_addr subnet, uint8_t prefix, uint32_t number)
{
	return (struct in_addr){ htonl((ntohl(subnet.s_addr) & netmask4(prefix)) | number) };
}

static bool inside(struct in_addr address, struct in_addr subnet, uint8_t prefix)
{
	return ((ntohl(address.s_addr) ^ ntohl(subnet.s_addr)) & netmask4(prefix)) == 0;
}

/**
 * present_address() - The IPv4 address that the bridge has already. Return: false if it has none.
 */
static bool present_address(const struct chooser *c, struct in_addr *ret_address,
			    uint8_t *ret_prefix)
{
	for (size_t i = 0; c->bridge && i < c->view->n_ranges; i++) {
		const struct view_range *used = &c->view->ranges[i];

		if (used->route || used->device != c->bridge->index ||
		    used->range.family != AF_INET)
			continue;
		memcpy(ret_address, used->range.bytes, sizeof(*ret_address));
		*ret_prefix = used->range.length;
		return true;
	}
	return false;
}

/** keep_present() - Keep the bridge's subnet if there is one and the wish allows it. */
static bool keep_present(struct chooser *c)
{
	const struct netfw_wish *wish = c->wish;
	struct in_addr address;
	uint8_t prefix;

	if (!present_address(c, &address, &prefix) || prefix < PREFIX_MIN || prefix > PREFIX_MAX)
		return false;
	if (wish->fixed && (prefix != wish->prefix || !inside(address, wish->subnet, prefix)))
		return false;
	/* Somebody else's bridge has the address that it has; ours follows the wish. */
	if (c->ours && prefix != wish->prefix)
		return false;
	if (c->ours && wish->guest.s_addr != INADDR_ANY && !inside(wish->guest, address, prefix))
		return false;
	c->network.address = address;
	c->network.prefix = prefix;
	return true;
}

/** choose_subnet() - The bridge's address and its length. */
static int choose_subnet(struct chooser *c)
{
	const struct netfw_wish *wish = c->wish;
	struct netfw_network *network = &c->network;
	const struct view_range *obstacle;
	struct in_addr first, subnet;
	char text[RANGE_TEXT_MAX];
	struct range wanted;

	if (wish->prefix < PREFIX_MIN || wish->prefix > PREFIX_MAX)
		return netfw_fail(c->error, NETFW_FAULT_SUBNET, -EINVAL,
				  "a subnet of length %u is not possible: use /%d to /%d",
				  wish->prefix, PREFIX_MIN, PREFIX_MAX);
	first = host(wish->subnet, wish->prefix, 0);
	wanted = range4(first, wish->prefix);
	obstacle = subnet_obstacle(c->view, c->own, &wanted, 1);
	if (obstacle)
		subnet_obstacle_text(c->view, obstacle, network->obstacle);
	if (keep_present(c)) {
		network->moved = obstacle && !inside(network->address, wish->subnet, wish->prefix);
		return 0;
	}
	if (wish->fixed && obstacle)
		return netfw_fail(c->error, NETFW_FAULT_SUBNET, -EADDRINUSE,
				  "the subnet %s overlaps the %s: choose another one, or none, so "
				  "that a free one is taken",
				  range_text(&wanted, text), network->obstacle);
	if (subnet_find(c->view, c->own, first, wish->prefix, &subnet) < 0)
		return netfw_fail(c->error, NETFW_FAULT_SUBNET, -EADDRNOTAVAIL,
				  "no subnet of length %u is free: the %s is in the way of %s, and "
				  "every private range is in use",
				  wish->prefix, network->obstacle, range_text(&wanted, text));
	network->address = host(subnet, wish->prefix, 1);
	network->prefix = wish->prefix;
	network->moved = obstacle;
	return 0;
}

/** choose_guest() - The guest's address. */
static int choose_guest(struct chooser *c)
{
	struct netfw_network *network = &c->network;
	struct range subnet = range4(host(network->address, network->prefix, 0), network->prefix);
	uint32_t last = ~netmask4(network->prefix), number;
	char text[RANGE_TEXT_MAX], guest[INET_ADDRSTRLEN];

	network->guest = c->wish->guest;
	if (network->guest.s_addr == INADDR_ANY) {
		number = GUEST_HOST < last ? GUEST_HOST : GUEST_HOST_SMALL;
		if (host(network->address, network->prefix, number).s_addr ==
		    network->address.s_addr)
			number++;
		network->guest = host(network->address, network->prefix, number);
		return 0;
	}
	inet_ntop(AF_INET, &network->guest, guest, sizeof(guest));
	range_text(&subnet, text);
	if (!inside(network->guest, network->address, network->prefix))
		return netfw_fail(
			c->error, NETFW_FAULT_GUEST, -EINVAL,
			"the guest's address %s is outside of the subnet %s%s%s: choose one "
			"inside, or none",
			guest, text, network->moved ? ", which was taken because of the " : "",
			network->moved ? network->obstacle : "");
	number = ntohl(network->guest.s_addr) & last;
	if (number == 0 || number == last || network->guest.s_addr == network->address.s_addr)
		return netfw_fail(c->error, NETFW_FAULT_GUEST, -EINVAL,
				  "the guest's address %s is the %s of the subnet %s: choose "
				  "another one, or none",
				  guest,
				  number == 0	   ? "network's own"
				  : number == last ? "broadcast address"
						   : "bridge's address",
				  text);
	return 0;
}

/**
 * has_ipv6() - Does any device but loopback and the bridge have an address that is good for more
 * than its link?
 */
static bool has_ipv6(const struct chooser *c)
{
	for (size_t i = 0; i < c->view->n_ranges; i++) {
		const struct view_range *used = &c->view->ranges[i];
		const struct view_device *device = view_device(c->view, used->device);

		if (!used->route && used->range.family == AF_INET6 &&
		    !range_link_local(&used->range) && device && device != c->bridge &&
		    !(device->flags & IFF_LOOPBACK))
			return true;
	}
	return false;
}

/**
 * hash() - FNV-1a of 64 bits: spreads the MAC over the 40 bits of the prefix, the same ones at
 * every start.
 */
static uint64_t hash(const uint8_t *bytes, size_t n)
{
	uint64_t value = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		value = (value ^ bytes[i]) * 0x100000001b3;
	return value;
}

/** choose_ipv6() - A unique local prefix for the bridge, if the guest shall and can have IPv6. */
static void choose_ipv6(struct chooser *c, const struct ipv6_switches *switches)
{
	struct netfw_network *network = &c->network;
	uint64_t id = hash(c->wish->guest_mac, sizeof(c->wish->guest_mac));
	struct in6_addr *address = &network->address6;
	struct range wanted;

	network->ipv6 = NETFW_IPV6_OFF;
	if (!c->wish->ipv6)
		return;
	network->ipv6 = NETFW_IPV6_NONE;
	if (!has_ipv6(c))
		return;
	network->ipv6 = NETFW_IPV6_DISABLED;
	if (switches->disabled)
		return;
	network->ipv6 = switches->forwarding ? NETFW_IPV6_ON : NETFW_IPV6_NO_FORWARDING;
	address->s6_addr[0] = 0xfd;
	for (unsigned i = 0; i < 5; i++)
		address->s6_addr[1 + i] = (uint8_t)(id >> 8 * i);
	address->s6_addr[15] = 1;
	/*
	 * Another container may have derived its own network from the same MAC: then the next
	 * subnet of this prefix.
	 */
	for (unsigned subnet = 0; subnet <= UINT16_MAX; subnet++) {
		address->s6_addr[6] = (uint8_t)(subnet >> 8);
		address->s6_addr[7] = (uint8_t)subnet;
		wanted = range6(address, ULA_PREFIX);
		if (!subnet_obstacle(c->view, c->own, &wanted, ULA_OBSTACLE_MIN))
			break;
	}
	network->prefix6 = ULA_PREFIX;
	network->guest6 = *address;
	network->guest6.s6_addr[15] = GUEST_HOST;
}

/** choose_mtu() - That of the device with the default route, else of the first that is up. */
static void choose_mtu(struct chooser *c)
{
	const struct view_device *uplink = view_device(c->view, c->view->uplink);

	for (size_t i = 0; !uplink && i < c->view->n_devices; i++) {
		const struct view_device *device = &c->view->devices[i];

		if ((device->flags & IFF_UP) && !(device->flags & IFF_LOOPBACK) &&
		    device != c->bridge && !(c->bridge && device->master == c->bridge->index))
			uplink = device;
	}
	c->network.mtu = uplink && uplink != c->bridge && uplink->mtu ? uplink->mtu : MTU_DEFAULT;
}

int choose_network(const struct netfw_wish *wish, const char *mark, const struct view *view,
		   const struct ipv6_switches *switches, struct netfw_network *ret_network,
		   struct netfw_error *error)
{
	struct chooser c = { .wish = wish, .view = view, .error = error };
	int r;

	r = choose_bridge(&c, mark);
	if (r < 0)
		return r;
	r = choose_subnet(&c);
	if (r < 0)
		return r;
	r = choose_guest(&c);
	if (r < 0)
		return r;
	choose_ipv6(&c, switches);
	choose_mtu(&c);
	*ret_network = c.network;
	return 0;
}
