/*
 * netfw: port forwarding for one guest behind one container, by netlink alone.
 *
 * Declarative: the caller says what the network should be, the library makes the kernel match it.
 * It owns one nftables table (family inet) and one bridge and never touches anybody else's, beside
 * connections that are tracked through its own forwards. It does not log, exit, fork, sleep or
 * write under /proc; it needs CAP_NET_ADMIN and nothing else.
 *
 * In this order:
 *   netfw_open()       two netlink sockets, kept open
 *   netfw_choose()     reads the container's devices, addresses and routes; chooses subnet,
 *                      addresses and MTU. Changes nothing.
 *   netfw_apply()      the table, in one transaction that changes what differs: before the bridge,
 *                      so that there is no moment at which the guest could be reached around the
 *                      rules. Again and again, as often as the wishes change or somebody else's
 *                      hands were in the table.
 *   netfw_end_flows()  connections that were tracked under other rules
 *   netfw_link_up()    the bridge with its addresses, and forwarding
 *   netfw_watch()      a descriptor that says when to apply again
 *   netfw_tend_ports() what is plugged into the bridge, for kernels with br_netfilter
 *   netfw_count()      what went through each forward
 *   netfw_clear()      takes away table and bridge
 *
 * One network namespace per handle, the one in which it was opened. A handle must not be used by
 * two threads at once.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "No forward is to blame" in struct netfw_error. */
#define NETFW_NONE SIZE_MAX

/*
 * What went wrong, as far as a caller may want to act on it; the first four are about what the
 * caller asked for.
 */
enum netfw_fault {
	NETFW_FAULT_NONE,
	NETFW_FAULT_BRIDGE,    /* wish.bridge: not a name, or a device of that name is no bridge */
	NETFW_FAULT_SUBNET,    /* wish.subnet: it is in use, or nothing is free */
	NETFW_FAULT_GUEST,     /* wish.guest: not an address that a guest of that subnet can have */
	NETFW_FAULT_FORWARD,   /* a forward is impossible, or two overlap: see error.forward */
	NETFW_FAULT_PRIVILEGE, /* CAP_NET_ADMIN is missing */
	NETFW_FAULT_KERNEL,    /* the kernel lacks a feature; the text names the module */
	NETFW_FAULT_SIZE,      /* more in one transaction than a socket may send here */
	NETFW_FAULT_UNKNOWN,   /* it is not known whether the kernel took it: apply again */
	NETFW_FAULT_SYSTEM,    /* anything else, see error.code */
};

/* Filled whenever a function that takes one fails; the caller's storage, nothing to free. */
struct netfw_error {
	enum netfw_fault fault;
	int code;	/* -errno, the same that was returned */
	size_t forward; /* index of the forward that is to blame, or NETFW_NONE */
	char text[384]; /* object, reason and remedy in one sentence */
};

/* One forward; ports in host order. */
struct netfw_forward {
	uint8_t proto;	       /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t listen_first; /* inclusive; equal to listen_last for a single port */
	uint16_t listen_last;
	uint16_t guest_first; /* guest port of listen_first; the others follow one by one */
	bool rest; /* only those of the range that no other forward has and that are not kept */
};

/* Ports that stay with the container; host order, inclusive. */
struct netfw_ports {
	uint8_t proto;
	uint16_t first;
	uint16_t last;
};

/* Whom the guest sees at the other end of a forwarded connection. */
enum netfw_source {
	NETFW_SOURCE_BRIDGE, /* the bridge: a neighbour, whom its firewall lets in */
	NETFW_SOURCE_CLIENT, /* the client itself; the bridge where an answer would not come back */
};

/* What the table shall do. The arrays are the caller's. */
struct netfw_rules {
	const struct netfw_forward *forwards;
	size_t n_forwards;
	const struct netfw_ports *kept;
	size_t n_kept;
	enum netfw_source source;
};

/* What netfw_apply() had to do. */
enum netfw_change {
	NETFW_UNCHANGED, /* nothing: the kernel had it all */
	NETFW_UPDATED,	 /* forwards were added or removed, the rest stayed */
	NETFW_REPLACED,	 /* the table was built anew */
};

/* What went through one forward; "in" is towards the guest. IPv4 and IPv6 together. */
struct netfw_count {
	uint64_t packets_in, bytes_in;
	uint64_t packets_out, bytes_out;
};

/* Who else changed the kernel's ruleset, as far as it was told: of several the last. */
struct netfw_foreign {
	uint32_t pid; /* 0: not told */
	char name[16];
};

/* What is wanted; everything may be set by people. */
struct netfw_wish {
	const char *bridge;    /* name of the device */
	uint8_t guest_mac[6];  /* the bridge's MAC and the IPv6 prefix are derived from it */
	struct in_addr subnet; /* the network's address */
	uint8_t prefix;	       /* its length, 8 to 29 */
	bool fixed; /* this subnet or none; otherwise the first free one, beginning with this */
	struct in_addr
		guest; /* INADDR_ANY: host 68, or host 2 of a subnet that is too small for it */
	bool ipv6;     /* give the guest an address of its own where the container has IPv6 */
};

/* Whether the guest gets IPv6, and why not; the switches are those of net.ipv6.conf. */
enum netfw_ipv6 {
	NETFW_IPV6_OFF,		  /* not wanted */
	NETFW_IPV6_NONE,	  /* the container has no IPv6 address but link-local ones */
	NETFW_IPV6_DISABLED,	  /* net.ipv6.conf.default.disable_ipv6 keeps it off new devices */
	NETFW_IPV6_NO_FORWARDING, /* on for the container itself: all.forwarding is 0 */
	NETFW_IPV6_ON,
};

/* What was chosen: all that is needed to build it, and to describe it to others. */
struct netfw_network {
	char bridge[IF_NAMESIZE];
	uint8_t bridge_mac[6];
	struct in_addr address; /* of the bridge: host 1 */
	uint8_t prefix;
	struct in_addr guest;
	enum netfw_ipv6 ipv6;
	struct in6_addr address6; /* the next three for NO_FORWARDING and ON */
	uint8_t prefix6;
	struct in6_addr guest6;
	unsigned mtu;	    /* of the uplink */
	bool moved;	    /* the first subnet of the wish was not free */
	char obstacle[128]; /* what was in its way, as text: "route 192.168.0.0/16 of device eth0"
			     */
};

struct netfw;

/**
 * netfw_open() - Open the sockets.
 * @table: name of the nftables table (family inet), also the mark by which the bridge is known as
 * ours; up to 31 characters
 *
 * Return: 0 or -errno: -EPROTONOSUPPORT if the kernel has no nfnetlink.
 */
int netfw_open(const char *table, struct netfw **ret_netfw, struct netfw_error *error);

/** netfw_close() - Close the sockets; what was applied stays. NULL is no mistake. */
void netfw_close(struct netfw *netfw);

/**
 * netfw_choose() - Look at the container's network and decide. Needs no privilege. Return: 0 or
 * -errno.
 */
int netfw_choose(struct netfw *netfw, const struct netfw_wish *wish,
		 struct netfw_network *ret_network, struct netfw_error *error);

/**
 * netfw_apply() - Make the table match, whatever it was before, in one transaction.
 * @ret_change: what had to be done; may be NULL
 *
 * What is right already is left alone: doing it twice changes nothing, and a forward more or less
 * is an element more or less. On failure the old rules are in force, except with
 * NETFW_FAULT_UNKNOWN. Open connections survive, and so do the counters of a table that is built
 * anew.
 *
 * Return: 0 or -errno.
 */
int netfw_apply(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, enum netfw_change *ret_change,
		struct netfw_error *error);

/**
 * netfw_check() - What netfw_apply() would answer; the kernel validates everything and keeps
 * nothing.
 */
int netfw_check(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, struct netfw_error *error);

/**
 * netfw_end_flows() - End tracked connections that the rules would treat otherwise if they began
 * now. To be called after netfw_apply().
 * @removed: also those through forwards that are gone since the last call; otherwise they go on
 * @ret_n: how many; may be NULL
 *
 * Always ended are UDP flows to a port that was the container's and is forwarded now: each of the
 * client's packets would keep such an entry alive, and the guest would never see one. Connections
 * that have nothing to do with our forwards are not touched.
 *
 * Return: 0, or -errno; the rules are in force all the same.
 */
int netfw_end_flows(struct netfw *netfw, bool removed, size_t *ret_n, struct netfw_error *error);

/**
 * netfw_count() - Read the counters of the forwards that were applied last.
 * @ret_counts: room for @n, one per forward, in their order
 *
 * On failure they are what was read before.
 *
 * Return: 0 or -errno: -ENOENT if the table is gone.
 */
int netfw_count(struct netfw *netfw, struct netfw_count *ret_counts, size_t n,
		struct netfw_error *error);

/**
 * netfw_watch() - Begin to listen for changes of the kernel's ruleset by others.
 * @ret_fd: readable when netfw_foreign_changes() has something to say; belongs to @netfw
 *
 * Return: 0 or -errno.
 */
int netfw_watch(struct netfw *netfw, int *ret_fd, struct netfw_error *error);

/**
 * netfw_foreign_changes() - Did somebody else change any rule since the last netfw_apply()? If so,
 * apply again: it says NETFW_UNCHANGED if it was not about our table.
 *
 * To be called when netfw_watch()'s descriptor is readable, and once after each netfw_apply(),
 * during which nobody listens.
 */
bool netfw_foreign_changes(struct netfw *netfw, struct netfw_foreign *ret_foreign);

/**
 * netfw_link_up() - Make the bridge match, and switch forwarding on. What is right already is left
 * alone.
 */
int netfw_link_up(struct netfw *netfw, const struct netfw_network *network,
		  struct netfw_error *error);

/**
 * netfw_watch_ports() - Begin to listen for devices that come and go.
 * @ret_fd: readable when it is time for netfw_tend_ports(); belongs to @netfw
 *
 * Return: 0 or -errno.
 */
int netfw_watch_ports(struct netfw *netfw, int *ret_fd, struct netfw_error *error);

/**
 * netfw_tend_ports() - Let the guest reach its own forwards by the container's address. To be
 * called once the bridge is there, and whenever netfw_watch_ports()'s descriptor is readable.
 *
 * Without br_netfilter there is nothing to do. With it, the only port of a bridge that this library
 * made is brought into hairpin mode, and hears no broadcasts but the bridge's own.
 *
 * Return: 0 or -errno; everything else works all the same.
 */
int netfw_tend_ports(struct netfw *netfw, const struct netfw_network *network,
		     struct netfw_error *error);

/**
 * netfw_clear() - Remove the table, and the bridge if this library made it. It is no mistake if
 * they are not there.
 */
int netfw_clear(struct netfw *netfw, const char *bridge, struct netfw_error *error);

/**
 * netfw_print() - The table as text that `nft -f` takes and that `nft list table` prints
 * afterwards, with the counters of the table that is there, if there is one and it may be read.
 */
int netfw_print(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, FILE *out, struct netfw_error *error);
