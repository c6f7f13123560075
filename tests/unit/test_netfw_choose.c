/* The choice of subnet, addresses, IPv6 and MTU, on made-up views of a container's network. */
#include "lib/util.h"
#include "netfw/choose.h"
#include "netfw/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LO = 1, ETH0 = 2, ETH1 = 3, BRIDGE = 4 };

static struct view_device devices[8];
static struct view_range ranges[16];
static struct view view;
static struct netfw_wish wish;
static struct netfw_network network;
static struct netfw_error error;
static struct ipv6_switches switches;

static void add_device(int index, const char *name, const char *kind, const char *alias,
		       unsigned mtu)
{
	struct view_device *device = &devices[view.n_devices++];

	*device = (struct view_device){ .index = index, .flags = IFF_UP, .mtu = mtu };
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->kind, sizeof(device->kind), "%s", kind);
	snprintf(device->alias, sizeof(device->alias), "%s", alias);
}

/** add_range() - "10.0.0.0/8" */
static void add_range(const char *text, int device, bool route)
{
	struct view_range *used = &ranges[view.n_ranges++];
	char address[64];

	snprintf(address, sizeof(address), "%s", text);
	*strchr(address, '/') = '\0';
	*used = (struct view_range){ .device = device, .route = route };
	used->range.length = (uint8_t)atoi(strchr(text, '/') + 1);
	used->range.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(used->range.family, address, used->range.bytes), 1);
}

/** reset() - A container as Docker makes it: eth0 with 172.17.0.2/16 and a default route. */
static int reset(void **state)
{
	(void)state;
	view = (struct view){ .devices = devices, .ranges = ranges, .uplink = ETH0 };
	add_device(LO, "lo", "", "", 65536);
	devices[0].flags |= IFF_LOOPBACK;
	add_device(ETH0, "eth0", "veth", "", 1500);
	add_range("172.17.0.0/16", ETH0, true);
	add_range("127.0.0.1/8", LO, false);
	add_range("172.17.0.2/16", ETH0, false);
	wish = (struct netfw_wish){ .bridge = "virbr1",
				    .guest_mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 },
				    .prefix = 24,
				    .ipv6 = true };
	wish.subnet.s_addr = inet_addr("192.168.121.0");
	switches = (struct ipv6_switches){ .forwarding = true };
	network = (struct netfw_network){ 0 };
	error = (struct netfw_error){ 0 };
	return 0;
}

static int choose(void)
{
	return choose_network(&wish, "casement", &view, &switches, &network, &error);
}

/** chosen() - The choice is "ADDRESS/PREFIX GUEST". */
static void chosen(const char *expected)
{
	char address[INET_ADDRSTRLEN], guest[INET_ADDRSTRLEN], text[64];

	assert_int_equal(choose(), 0);
	inet_ntop(AF_INET, &network.address, address, sizeof(address));
	inet_ntop(AF_INET, &network.guest, guest, sizeof(guest));
	snprintf(text, sizeof(text), "%s/%u %s", address, network.prefix, guest);
	assert_string_equal(text, expected);
}

static void refused(int code, enum netfw_fault fault, const char *text)
{
	assert_int_equal(choose(), code);
	assert_int_equal(error.fault, fault);
	assert_int_equal(error.code, code);
	assert_int_equal(error.forward, NETFW_NONE);
	assert_string_equal(error.text, text);
}

static void test_default(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0xd6 };

	(void)state;
	chosen("192.168.121.1/24 192.168.121.68");
	assert_string_equal(network.bridge, "virbr1");
	assert_memory_equal(network.bridge_mac, mac, sizeof(mac));
	assert_int_equal(network.mtu, 1500);
	assert_false(network.moved);
	assert_string_equal(network.obstacle, "");
	assert_int_equal(network.ipv6, NETFW_IPV6_NONE);
}

/**
 * test_mac() - Whatever the guest's is: locally administered, unicast, and neither the guest's nor
 * its tap's.
 */
static void test_mac(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 256; first += 2) {
		wish.guest_mac[0] = (uint8_t)first;
		assert_int_equal(choose(), 0);
		assert_int_equal(network.bridge_mac[0] & 3, 2);
		assert_int_not_equal(network.bridge_mac[5], wish.guest_mac[5]);
	}
}

static void test_moves(void **state)
{
	(void)state;
	add_range("192.168.121.0/24", ETH1, true);
	chosen("192.168.122.1/24 192.168.122.68");
	assert_true(network.moved);
	assert_string_equal(network.obstacle, "route 192.168.121.0/24");
	add_device(ETH1, "eth1", "veth", "", 1500);
	assert_int_equal(choose(), 0);
	assert_string_equal(network.obstacle, "route 192.168.121.0/24 of device eth1");
	/* A smaller one inside, an address alone, a larger one around: all are in the way. */
	add_range("192.168.122.77/32", ETH1, false);
	add_range("192.168.120.0/21", ETH1, true);
	chosen("192.168.128.1/24 192.168.128.68");
}

/**
 * test_blocks() - The rest of the block, then what is before it, then the other blocks; full ones
 * at one step.
 */
static void test_blocks(void **state)
{
	(void)state;
	add_range("192.168.121.0/24", ETH0, true);
	add_range("192.168.122.0/23", ETH0, true);
	add_range("192.168.124.0/22", ETH0, true);
	add_range("192.168.128.0/17", ETH0, true);
	chosen("192.168.0.1/24 192.168.0.68");
	add_range("192.168.0.0/16", ETH0, true);
	chosen("172.16.0.1/24 172.16.0.68");
	add_range("172.16.0.0/12", ETH0, true);
	chosen("10.0.0.1/24 10.0.0.68");
	add_range("10.0.0.0/9", ETH0, true);
	chosen("10.128.0.1/24 10.128.0.68");
	add_range("10.0.0.0/8", ETH0, true);
	refused(-EADDRNOTAVAIL, NETFW_FAULT_SUBNET,
		"no subnet of length 24 is free: the route 192.168.121.0/24 of device eth0 is in "
		"the way of "
		"192.168.121.0/24, and every private range is in use");
}

/**
 * test_other_first() - The first one may lie outside of the private blocks, and need not be
 * aligned.
 */
static void test_other_first(void **state)
{
	(void)state;
	wish.subnet.s_addr = inet_addr("100.64.7.9");
	chosen("100.64.7.1/24 100.64.7.68");
	add_range("100.64.0.0/10", ETH0, true);
	chosen("192.168.0.1/24 192.168.0.68");
	wish.prefix = 8;
	wish.subnet.s_addr = inet_addr("10.0.0.0");
	chosen("10.0.0.1/8 10.0.0.68");
}

static void test_fixed(void **state)
{
	(void)state;
	wish.fixed = true;
	wish.subnet.s_addr = inet_addr("10.9.8.0");
	chosen("10.9.8.1/24 10.9.8.68");
	wish.subnet.s_addr = inet_addr("172.17.9.0");
	refused(-EADDRINUSE, NETFW_FAULT_SUBNET,
		"the subnet 172.17.9.0/24 overlaps the route 172.17.0.0/16 of device eth0: choose "
		"another one, or none, "
		"so that a free one is taken");
}

static void test_prefixes(void **state)
{
	(void)state;
	wish.prefix = 29;
	chosen("192.168.121.1/29 192.168.121.2");
	wish.prefix = 25;
	chosen("192.168.121.1/25 192.168.121.68");
	wish.prefix = 26;
	chosen("192.168.121.1/26 192.168.121.2");
	wish.prefix = 30;
	refused(-EINVAL, NETFW_FAULT_SUBNET,
		"a subnet of length 30 is not possible: use /8 to /29");
	wish.prefix = 7;
	refused(-EINVAL, NETFW_FAULT_SUBNET, "a subnet of length 7 is not possible: use /8 to /29");
	wish.prefix = 0;
	refused(-EINVAL, NETFW_FAULT_SUBNET, "a subnet of length 0 is not possible: use /8 to /29");
	wish.prefix = 200;
	refused(-EINVAL, NETFW_FAULT_SUBNET, "a subnet of length 200 is not possible: use /8 to /29");
}

static void test_guest(void **state)
{
	(void)state;
	wish.guest.s_addr = inet_addr("192.168.121.200");
	chosen("192.168.121.1/24 192.168.121.200");
	wish.guest.s_addr = inet_addr("192.168.120.200");
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.120.200 is outside of the subnet 192.168.121.0/24: "
		"choose one inside, or none");
	wish.guest.s_addr = inet_addr("192.168.121.0");
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.121.0 is the network's own of the subnet "
		"192.168.121.0/24: choose another "
		"one, or none");
	wish.guest.s_addr = inet_addr("192.168.121.255");
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.121.255 is the broadcast address of the subnet "
		"192.168.121.0/24: choose "
		"another one, or none");
	wish.guest.s_addr = inet_addr("192.168.121.1");
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.121.1 is the bridge's address of the subnet "
		"192.168.121.0/24: choose "
		"another one, or none");
	wish.guest.s_addr = inet_addr("192.168.121.200");
	add_range("192.168.121.0/24", ETH0, true);
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.121.200 is outside of the subnet 192.168.122.0/24, "
		"which was taken because "
		"of the route 192.168.121.0/24 of device eth0: choose one inside, or none");
}

static void test_bridge_names(void **state)
{
	static const char *const bad[] = {
		"",    "sixteen-letters-", "a b", "a/b",     "a\"b", "a*", ".", "..",
		"all", "default",	   "-x",  "\xc3\xa9"
	};
	static const char *const good[] = { "b", "virbr-1.2_x", "fifteen-letters" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		wish.bridge = bad[i];
		if (choose() != -EINVAL || error.fault != NETFW_FAULT_BRIDGE)
			fail_msg("accepted \"%s\"", bad[i]);
	}
	assert_string_equal(
		error.text,
		"\"\xc3\xa9\" cannot be the bridge's name: use 1 to 15 letters, digits, "
		"'_', '.' or '-'");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		wish.bridge = good[i];
		assert_int_equal(choose(), 0);
		assert_string_equal(network.bridge, good[i]);
	}
}

static void test_no_bridge(void **state)
{
	(void)state;
	wish.bridge = "eth0";
	refused(-EEXIST, NETFW_FAULT_BRIDGE,
		"the device eth0 exists and is no bridge but of kind \"veth\": choose another "
		"name");
	wish.bridge = "lo";
	refused(-EEXIST, NETFW_FAULT_BRIDGE,
		"the device lo exists and is no bridge: choose another name");
}

/** test_present() - A bridge of ours keeps its subnet as long as the wish allows it. */
static void test_present(void **state)
{
	(void)state;
	add_device(BRIDGE, "virbr1", "bridge", "casement", 1500);
	add_range("192.168.130.0/24", BRIDGE, true);
	add_range("192.168.130.1/24", BRIDGE, false);
	chosen("192.168.130.1/24 192.168.130.68");
	/* Nothing is in the way of the first one, so it was not moved, it was kept. */
	assert_false(network.moved);
	/* The reason why it is another one is still there. */
	add_range("192.168.121.0/24", ETH0, true);
	chosen("192.168.130.1/24 192.168.130.68");
	assert_true(network.moved);
	/* Even a network that came later and overlaps does not move a guest that is running. */
	add_range("192.168.128.0/17", ETH0, true);
	chosen("192.168.130.1/24 192.168.130.68");
	/* A wish that does not allow it. */
	wish.guest.s_addr = inet_addr("192.168.122.9");
	chosen("192.168.122.1/24 192.168.122.9");
}

static void test_present_changed(void **state)
{
	(void)state;
	add_device(BRIDGE, "virbr1", "bridge", "casement", 1500);
	add_range("192.168.130.1/24", BRIDGE, false);
	wish.fixed = true;
	chosen("192.168.121.1/24 192.168.121.68");
	wish.subnet.s_addr = inet_addr("192.168.130.0");
	chosen("192.168.130.1/24 192.168.130.68");
	wish.prefix = 25;
	chosen("192.168.130.1/25 192.168.130.68");
	wish.fixed = false;
	chosen("192.168.130.1/25 192.168.130.68");
}

/** test_adopted() - Somebody else's bridge has the address that it has. */
static void test_adopted(void **state)
{
	(void)state;
	add_device(BRIDGE, "virbr1", "bridge", "", 1500);
	chosen("192.168.121.1/24 192.168.121.68");
	add_range("10.1.2.68/16", BRIDGE, false);
	chosen("10.1.2.68/16 10.1.0.68");
	ranges[view.n_ranges - 1].range.bytes[2] = 0;
	chosen("10.1.0.68/16 10.1.0.69");
	wish.guest.s_addr = inet_addr("192.168.121.5");
	refused(-EINVAL, NETFW_FAULT_GUEST,
		"the guest's address 192.168.121.5 is outside of the subnet 10.1.0.0/16: choose "
		"one inside, or none");
}

static void test_ipv6(void **state)
{
	char text[INET6_ADDRSTRLEN];

	(void)state;
	add_range("fe80::1/64", ETH0, false);
	add_range("::1/128", LO, false);
	add_range("2001:db8::/64", ETH0, true);
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_NONE);
	add_range("2001:db8::2/64", ETH0, false);
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_ON);
	assert_int_equal(network.prefix6, 64);
	/* fd, 40 bits from the MAC, subnet 0, host 1 and 68: the same ones at every start. */
	assert_string_equal(inet_ntop(AF_INET6, &network.address6, text, sizeof(text)),
			    "fddb:1ee2:4298::1");
	assert_string_equal(inet_ntop(AF_INET6, &network.guest6, text, sizeof(text)),
			    "fddb:1ee2:4298::44");
	/*
	 * Taken by a network of the same derivation: the next subnet. A route to all of fd00::/8
	 * says nothing.
	 */
	add_range("fddb:1ee2:4298::/64", ETH0, true);
	add_range("fd00::/8", ETH0, true);
	assert_int_equal(choose(), 0);
	assert_string_equal(inet_ntop(AF_INET6, &network.address6, text, sizeof(text)),
			    "fddb:1ee2:4298:1::1");
	switches.forwarding = false;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_NO_FORWARDING);
	switches.disabled = true;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_DISABLED);
	wish.ipv6 = false;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_OFF);
}

/**
 * test_ipv6_own() - The bridge's own address from a previous run is no reason to believe that the
 * container has IPv6.
 */
static void test_ipv6_own(void **state)
{
	(void)state;
	add_device(BRIDGE, "virbr1", "bridge", "casement", 1500);
	add_range("fddb:1ee2:4298::1/64", BRIDGE, false);
	assert_int_equal(choose(), 0);
	assert_int_equal(network.ipv6, NETFW_IPV6_NONE);
}

static void test_mtu(void **state)
{
	(void)state;
	add_device(ETH1, "eth1", "veth", "", 9000);
	view.uplink = ETH1;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.mtu, 9000);
	/* Without a default route, the first that is up. */
	view.uplink = 0;
	devices[1].flags = 0;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.mtu, 9000);
	/* Neither the bridge nor what is plugged into it. */
	devices[2].flags = 0;
	add_device(BRIDGE, "virbr1", "bridge", "casement", 1400);
	add_device(9, "vnet0", "tun", "", 1300);
	devices[4].master = BRIDGE;
	assert_int_equal(choose(), 0);
	assert_int_equal(network.mtu, 1500);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_default),   TEST(test_mac),	      TEST(test_moves),
		TEST(test_blocks),    TEST(test_other_first), TEST(test_fixed),
		TEST(test_prefixes),  TEST(test_guest),	      TEST(test_bridge_names),
		TEST(test_no_bridge), TEST(test_present),     TEST(test_present_changed),
		TEST(test_adopted),   TEST(test_ipv6),	      TEST(test_ipv6_own),
		TEST(test_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
