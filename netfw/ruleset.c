/*
 * The ruleset.
 *
 *   forwards     where a port of the container leads: four maps, so a connection costs the same
 *                with one forward and 10,000
 *   guard        127.0.0.0/8 is nobody's business but lo's: route_localnet on the bridge would let
 *                the guest reach it, or be it
 *   prerouting   what comes from outside, or from the guest by the container's address
 *   output       what comes from the container itself
 *   postrouting  the guest sees a forwarded connection come from the bridge, so it always answers
 *                the right way, and its firewall sees a neighbour; the world sees the guest's
 *                connections come from the container
 *   forward      only what is about the bridge is judged; all other forwarding is somebody else's
 *   to_guest     what goes to the guest, and
 *   from_guest   what comes from it: through a forward, so it is counted; or not, so it is judged
 *   from_container, to_container
 *                what the container itself has with the guest through a forward; to be counted
 *   count        adds a packet to what its forward has had
 *
 * A packet of a forwarded connection takes the shortest way: one base chain beside those of NAT, in
 * it the MSS of SYNs, whose connection, which counter. What is seldom stands behind it.
 */
#include "netfw/ruleset.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

/*
 * Docker's chain for its DNS is at NF_IP_PRI_NAT_DST; at equal priority the chain registered last
 * would run first, so ours is placed behind it.
 */
#define OUTPUT_PRIORITY (NF_IP_PRI_NAT_DST + 1)
#define OUTPUT_PRIORITY_TEXT "-99"

#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED NF_CT_STATE_BIT(IP_CT_RELATED)

enum {
	FORWARDS,
	GUARD,
	PREROUTING,
	OUTPUT,
	POSTROUTING,
	FORWARD,
	TO_GUEST,
	FROM_GUEST,
	FROM_CONTAINER,
	TO_CONTAINER,
	COUNT,
	N_CHAINS
};

static const struct chain chains[] = {
	[FORWARDS] = { .name = "forwards" },
	[GUARD] = { "guard", "filter", "prerouting", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, "raw" },
	[PREROUTING] = { "prerouting", "nat", "prerouting", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST,
			 "dstnat" },
	[OUTPUT] = { "output", "nat", "output", NF_INET_LOCAL_OUT, OUTPUT_PRIORITY,
		     OUTPUT_PRIORITY_TEXT },
	[POSTROUTING] = { "postrouting", "nat", "postrouting", NF_INET_POST_ROUTING,
			  NF_IP_PRI_NAT_SRC, "srcnat" },
	[FORWARD] = { "forward", "filter", "forward", NF_INET_FORWARD, NF_IP_PRI_FILTER, "filter" },
	[TO_GUEST] = { .name = "to_guest" },
	[FROM_GUEST] = { .name = "from_guest" },
	/* Behind the translation of addresses: the packet has the guest's already. */
	[FROM_CONTAINER] = { "from_container", "filter", "output", NF_INET_LOCAL_OUT,
			     NF_IP_PRI_FILTER, "filter" },
	[TO_CONTAINER] = { "to_container", "filter", "input", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER,
			   "filter" },
	[COUNT] = { .name = "count" },
};

enum { FWD4, RNG4, FWD6, RNG6, COUNT_PORTS, COUNT_RANGES, N_SETS };

static const struct set sets[] = {
	[FWD4] = { "fwd4", 1, SET_MAP_PORTS, AF_INET },
	[RNG4] = { "rng4", 2, SET_MAP_RANGES, AF_INET },
	[FWD6] = { "fwd6", 3, SET_MAP_PORTS, AF_INET6 },
	[RNG6] = { "rng6", 4, SET_MAP_RANGES, AF_INET6 },
	[COUNT_PORTS] = { "count_ports", 5, SET_COUNT_PORTS, AF_UNSPEC },
	[COUNT_RANGES] = { "count_ranges", 6, SET_COUNT_RANGES, AF_UNSPEC },
};

static_assert(N_CHAINS <= RULESET_MAX_CHAINS, "too many chains");
static_assert(N_SETS <= RULESET_MAX_SETS, "too many sets");

/** begin() - A new rule at the end of @chain. */
static struct rule *begin(struct ruleset *ruleset, size_t chain)
{
	struct ruleset_rule *rule = &ruleset->rules[ruleset->n_rules++];

	assert(ruleset->n_rules <= RULESET_MAX_RULES);
	rule->chain = chain;
	rule_init(&rule->rule);
	return &rule->rule;
}

static void make_forwards(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_sets; i++) {
		const struct set *map = &ruleset->sets[i];
		struct rule *rule;

		if (!set_is_map(map))
			continue;
		rule = begin(ruleset, FORWARDS);
		rule_nfproto(rule, map->family);
		rule_dnat_map(rule, map->family, map->name, map->id, !set_has_ranges(map));
	}
}

static void make_guard(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, GUARD);

	rule_iifname(rule, true, bridge);
	rule_ip_daddr_8(rule, RULESET_LOOPBACK_OCTET);
	rule_verdict(rule, NF_DROP, NULL);
	/* The switch lets both pass. */
	rule = begin(ruleset, GUARD);
	rule_iifname(rule, true, bridge);
	rule_ip_saddr_8(rule, RULESET_LOOPBACK_OCTET);
	rule_verdict(rule, NF_DROP, NULL);
}

static void make_prerouting(struct ruleset *ruleset, const char *bridge)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
	} services[] = { { IPPROTO_UDP, RULESET_PORT_DNS },
			 { IPPROTO_TCP, RULESET_PORT_DNS },
			 { IPPROTO_UDP, RULESET_PORT_DHCP } };
	struct rule *rule;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		rule = begin(ruleset, PREROUTING);
		rule_iifname(rule, true, bridge);
		rule_dport(rule, services[i].proto, services[i].port);
		rule_verdict(rule, NFT_RETURN, NULL);
	}
	/*
	 * Only what is addressed to the container: the guest's own connections to that port
	 * elsewhere go there.
	 */
	rule = begin(ruleset, PREROUTING);
	rule_fib_local(rule);
	rule_verdict(rule, NFT_JUMP, chains[FORWARDS].name);
}

static void make_output(struct ruleset *ruleset)
{
	struct rule *rule = begin(ruleset, OUTPUT);

	rule_ip_daddr(rule, (struct in_addr){ htonl(RULESET_DOCKER_DNS) });
	rule_verdict(rule, NFT_RETURN, NULL);
	/* It cannot be led to the guest, there is no route_localnet for it: it stays with lo. */
	rule = begin(ruleset, OUTPUT);
	rule_ip6_daddr(rule, &in6addr_loopback);
	rule_verdict(rule, NFT_RETURN, NULL);
	rule = begin(ruleset, OUTPUT);
	rule_fib_local(rule);
	rule_verdict(rule, NFT_JUMP, chains[FORWARDS].name);
}

/**
 * make_source() - Whom the guest sees. It answers the bridge, which it takes for its neighbour; or
 * the client, whom it reaches through the bridge, unless the client is on its own side of it, or
 * has an address that means the guest itself.
 */
static void make_source(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, POSTROUTING);

	if (ruleset->key.source == NETFW_SOURCE_CLIENT) {
		rule_iifname(rule, true, bridge);
		rule_oifname(rule, true, bridge);
		rule_ct_dnat(rule);
		rule_masquerade(rule);
		rule = begin(ruleset, POSTROUTING);
		rule_oifname(rule, true, bridge);
		rule_ct_dnat(rule);
		rule_ip_saddr_8(rule, RULESET_LOOPBACK_OCTET);
		rule_masquerade(rule);
	} else {
		rule_oifname(rule, true, bridge);
		rule_ct_dnat(rule);
		rule_masquerade(rule);
	}
}

static void make_postrouting(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule;

	make_source(ruleset, bridge);
	rule = begin(ruleset, POSTROUTING);
	rule_iifname(rule, true, bridge);
	rule_oifname(rule, false, bridge);
	rule_masquerade(rule);
}

static void make_forward(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, FORWARD);

	rule_oifname(rule, true, bridge);
	rule_verdict(rule, NFT_JUMP, chains[TO_GUEST].name);
	rule = begin(ruleset, FORWARD);
	rule_iifname(rule, true, bridge);
	rule_verdict(rule, NFT_JUMP, chains[FROM_GUEST].name);
}

/** count_forwarded() - @rule is to count what else it says in that direction of a forward. */
static void count_forwarded(struct rule *rule, uint8_t direction, int verdict)
{
	rule_ct_dnat(rule);
	rule_ct_direction(rule, direction);
	rule_verdict(rule, verdict, chains[COUNT].name);
}

static void make_to_guest(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, TO_GUEST);

	/*
	 * The guest has the MTU of one uplink; by another one, or further on, there may be less
	 * room, and whoever sends too much does not always hear of it.
	 */
	rule_clamp_mss(rule);
	count_forwarded(begin(ruleset, TO_GUEST), IP_CT_DIR_ORIGINAL, NFT_GOTO);
	/* Hairpin: its answers leave by the bridge as well. */
	rule = begin(ruleset, TO_GUEST);
	rule_iifname(rule, true, bridge);
	count_forwarded(rule, IP_CT_DIR_REPLY, NFT_GOTO);
	/* With br_netfilter, frames between two ports of the bridge come by here. */
	rule = begin(ruleset, TO_GUEST);
	rule_iifname(rule, true, bridge);
	rule_verdict(rule, NF_ACCEPT, NULL);
	rule = begin(ruleset, TO_GUEST);
	rule_ct_state(rule, CT_ESTABLISHED | CT_RELATED, "established,related");
	rule_verdict(rule, NF_ACCEPT, NULL);
	rule = begin(ruleset, TO_GUEST);
	rule_counter(rule);
	rule_verdict(rule, NF_DROP, NULL);
}

static void make_from_guest(struct ruleset *ruleset)
{
	struct rule *rule = begin(ruleset, FROM_GUEST);

	rule_clamp_mss(rule);
	count_forwarded(begin(ruleset, FROM_GUEST), IP_CT_DIR_REPLY, NFT_GOTO);
	/*
	 * Without a connection there is no masquerade: it would leave with the guest's own address.
	 */
	rule = begin(ruleset, FROM_GUEST);
	rule_ct_state(rule, NF_CT_STATE_INVALID_BIT, "invalid");
	rule_verdict(rule, NF_DROP, NULL);
	/*
	 * The guest's end of a connection that was ended, because its forward is gone: taken for
	 * the beginning of another one it would go on as that.
	 */
	rule = begin(ruleset, FROM_GUEST);
	rule_ct_state(rule, NF_CT_STATE_BIT(IP_CT_NEW), "new");
	rule_tcp_mid_stream(rule);
	rule_verdict(rule, NF_DROP, NULL);
	rule = begin(ruleset, FROM_GUEST);
	rule_verdict(rule, NF_ACCEPT, NULL);
}

/** make_own() - What the container itself has with the guest is in no forwarding hook. */
static void make_own(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, FROM_CONTAINER);

	/* The device is still that of the address that was asked. */
	rule_ip_daddr(rule, ruleset->key.guest);
	count_forwarded(rule, IP_CT_DIR_ORIGINAL, NFT_JUMP);
	if (ruleset->key.ipv6) {
		rule = begin(ruleset, FROM_CONTAINER);
		rule_ip6_daddr(rule, &ruleset->key.guest6);
		count_forwarded(rule, IP_CT_DIR_ORIGINAL, NFT_JUMP);
	}
	rule = begin(ruleset, TO_CONTAINER);
	rule_iifname(rule, true, bridge);
	count_forwarded(rule, IP_CT_DIR_REPLY, NFT_JUMP);
}

/**
 * make_count() - Each packet once. A single port has its counter from its first packet on, so
 * that is looked for first; looking into ranges costs several times as much.
 */
static void make_count(struct ruleset *ruleset)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	static const size_t lookups[] = { COUNT_PORTS, COUNT_RANGES };
	struct rule *rule;

	for (size_t i = 0; i < ARRAY_SIZE(lookups); i++) {
		const struct set *set = &sets[lookups[i]];

		for (size_t k = 0; k < ARRAY_SIZE(protos); k++) {
			rule = begin(ruleset, COUNT);
			rule_l4proto(rule, protos[k]);
			rule_counted(rule, set->name, set->id);
			rule_verdict(rule, NF_ACCEPT, NULL);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		rule = begin(ruleset, COUNT);
		rule_l4proto(rule, protos[i]);
		rule_count(rule, sets[COUNT_PORTS].name, sets[COUNT_PORTS].id);
	}
	/* An ICMP error about such a connection is no forward's. */
	rule = begin(ruleset, COUNT);
	rule_verdict(rule, NF_ACCEPT, NULL);
}

struct ruleset_key ruleset_key(const char *table, const struct netfw_network *network,
			       enum netfw_source source)
{
	struct ruleset_key key = { .guest = network->guest, .source = source };

	snprintf(key.table, sizeof(key.table), "%s", table);
	snprintf(key.bridge, sizeof(key.bridge), "%s", network->bridge);
	key.ipv6 = network->ipv6 == NETFW_IPV6_ON || network->ipv6 == NETFW_IPV6_NO_FORWARDING;
	if (key.ipv6)
		key.guest6 = network->guest6;
	return key;
}

bool ruleset_same_key(const struct ruleset_key *a, const struct ruleset_key *b)
{
	return streq(a->table, b->table) && streq(a->bridge, b->bridge) &&
	       a->guest.s_addr == b->guest.s_addr && IN6_ARE_ADDR_EQUAL(&a->guest6, &b->guest6) &&
	       a->ipv6 == b->ipv6 && a->source == b->source;
}

void ruleset_frame(const struct ruleset_key *key, const struct plan *plan,
		   const struct counts *counts, struct ruleset *ret_ruleset)
{
	struct ruleset *ruleset = ret_ruleset;

	*ruleset = (struct ruleset){ .key = *key, .plan = plan, .counts = counts };
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i].family != AF_INET6 || key->ipv6)
			ruleset->sets[ruleset->n_sets++] = sets[i];
	}
	memcpy(ruleset->chains, chains, sizeof(chains));
	ruleset->n_chains = ARRAY_SIZE(chains);
}

int ruleset_add_rules(struct ruleset *ruleset)
{
	const char *bridge = ruleset->key.bridge;

	make_forwards(ruleset);
	make_guard(ruleset, bridge);
	make_prerouting(ruleset, bridge);
	make_output(ruleset);
	make_postrouting(ruleset, bridge);
	make_forward(ruleset, bridge);
	make_to_guest(ruleset, bridge);
	make_from_guest(ruleset);
	make_own(ruleset, bridge);
	make_count(ruleset);
	for (size_t i = 0; i < ruleset->n_rules; i++) {
		if (ruleset->rules[i].rule.failed)
			return -ENOMEM;
	}
	return 0;
}

void ruleset_clear(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_rules; i++)
		rule_clear(&ruleset->rules[i].rule);
	ruleset->n_rules = 0;
}

bool set_is_map(const struct set *set)
{
	return set->kind == SET_MAP_PORTS || set->kind == SET_MAP_RANGES;
}

bool set_has_ranges(const struct set *set)
{
	return set->kind == SET_MAP_RANGES || set->kind == SET_COUNT_RANGES;
}

const struct plan_list *ruleset_map(const struct ruleset *ruleset, const struct set *set)
{
	return set_has_ranges(set) ? &ruleset->plan->ranges : &ruleset->plan->ports;
}

const struct count_list *ruleset_counts(const struct ruleset *ruleset, const struct set *set)
{
	return set_has_ranges(set) ? &ruleset->counts->ranges : &ruleset->counts->ports;
}
