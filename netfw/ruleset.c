/*
 * The ruleset.
 *
 *   forwards     where a port of the container leads: four maps, so a connection costs the same
 *                with one forward and 10,000
 *   guard        127.0.0.0/8 is nobody's business but lo's: route_localnet on the bridge would let
 *                the guest reach it
 *   prerouting   what comes from outside, or from the guest by the container's address
 *   output       what comes from the container itself
 *   postrouting  the guest sees a forwarded connection come from the bridge, so it always answers
 *                the right way, and its firewall sees a neighbour; the world sees the guest's
 *                connections come from the container
 *   forward      only what is about the bridge is judged; all other forwarding is somebody else's
 */
#include "netfw/ruleset.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

/*
 * Docker's embedded DNS rewrites port 53 of this address in the same hook; it is none of ours. Its
 * chain is at NF_IP_PRI_NAT_DST; at equal priority the chain registered last would run first, so
 * ours is placed behind it.
 */
#define DOCKER_DNS 0x7f00000b
#define OUTPUT_PRIORITY (NF_IP_PRI_NAT_DST + 1)
#define OUTPUT_PRIORITY_TEXT "-99"

/*
 * What the guest asks the bridge for is meant for dnsmasq, even if these ports are forwarded to the
 * guest.
 */
#define PORT_DNS 53
#define PORT_DHCP 67

#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED NF_CT_STATE_BIT(IP_CT_RELATED)

enum { FORWARDS, GUARD, PREROUTING, OUTPUT, POSTROUTING, FORWARD, TO_GUEST, FROM_GUEST, N_CHAINS };

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
};

static const struct map maps[] = {
	{ .name = "fwd4", .id = 1, .family = AF_INET },
	{ .name = "rng4", .id = 2, .family = AF_INET, .ranges = true },
	{ .name = "fwd6", .id = 3, .family = AF_INET6 },
	{ .name = "rng6", .id = 4, .family = AF_INET6, .ranges = true },
};

static_assert(N_CHAINS <= RULESET_MAX_CHAINS, "too many chains");
static_assert(ARRAY_SIZE(maps) <= RULESET_MAX_MAPS, "too many maps");

/** begin() - A new rule at the end of @chain. */
static struct rule *begin(struct ruleset *ruleset, size_t chain)
{
	struct ruleset_rule *rule = &ruleset->rules[ruleset->n_rules++];

	rule->chain = chain;
	rule_init(&rule->rule);
	return &rule->rule;
}

static void make_forwards(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->n_maps; i++) {
		const struct map *map = &ruleset->maps[i];
		struct rule *rule = begin(ruleset, FORWARDS);

		rule_nfproto(rule, map->family);
		rule_dnat_map(rule, map->family, map->name, map->id, !map->ranges);
	}
}

static void make_guard(struct ruleset *ruleset)
{
	struct rule *rule = begin(ruleset, GUARD);

	rule_iifname(rule, false, "lo");
	rule_ip_daddr_8(rule, 127);
	rule_verdict(rule, NF_DROP, NULL);
}

static void make_prerouting(struct ruleset *ruleset, const char *bridge)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
	} services[] = { { IPPROTO_UDP, PORT_DNS },
			 { IPPROTO_TCP, PORT_DNS },
			 { IPPROTO_UDP, PORT_DHCP } };
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

	rule_ip_daddr(rule, (struct in_addr){ htonl(DOCKER_DNS) });
	rule_verdict(rule, NFT_RETURN, NULL);
	rule = begin(ruleset, OUTPUT);
	rule_fib_local(rule);
	rule_verdict(rule, NFT_JUMP, chains[FORWARDS].name);
}

static void make_postrouting(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, POSTROUTING);

	rule_oifname(rule, true, bridge);
	rule_ct_dnat(rule);
	rule_masquerade(rule);
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

static void make_to_guest(struct ruleset *ruleset, const char *bridge)
{
	struct rule *rule = begin(ruleset, TO_GUEST);

	/*
	 * With br_netfilter, frames between two ports of the bridge come by here; and so does
	 * hairpin.
	 */
	rule_iifname(rule, true, bridge);
	rule_verdict(rule, NF_ACCEPT, NULL);
	rule = begin(ruleset, TO_GUEST);
	rule_ct_state(rule, CT_ESTABLISHED | CT_RELATED, "established,related");
	rule_verdict(rule, NF_ACCEPT, NULL);
	rule = begin(ruleset, TO_GUEST);
	rule_ct_dnat(rule);
	rule_verdict(rule, NF_ACCEPT, NULL);
	rule = begin(ruleset, TO_GUEST);
	rule_counter(rule);
	rule_verdict(rule, NF_DROP, NULL);
}

static void make_from_guest(struct ruleset *ruleset)
{
	struct rule *rule = begin(ruleset, FROM_GUEST);

	/*
	 * Without a connection there is no masquerade: it would leave with the guest's own address.
	 */
	rule_ct_state(rule, NF_CT_STATE_INVALID_BIT, "invalid");
	rule_verdict(rule, NF_DROP, NULL);
	rule = begin(ruleset, FROM_GUEST);
	rule_verdict(rule, NF_ACCEPT, NULL);
}

int ruleset_make(const char *table, const struct netfw_network *network, const struct plan *plan,
		 struct ruleset *ret_ruleset)
{
	bool ipv6 = network->ipv6 == NETFW_IPV6_ON || network->ipv6 == NETFW_IPV6_NO_FORWARDING;
	struct ruleset *ruleset = ret_ruleset;

	*ruleset = (struct ruleset){ .guest = network->guest,
				     .guest6 = network->guest6,
				     .plan = plan };
	snprintf(ruleset->table, sizeof(ruleset->table), "%s", table);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		if (maps[i].family == AF_INET || ipv6)
			ruleset->maps[ruleset->n_maps++] = maps[i];
	}
	memcpy(ruleset->chains, chains, sizeof(chains));
	ruleset->n_chains = ARRAY_SIZE(chains);
	make_forwards(ruleset);
	make_guard(ruleset);
	make_prerouting(ruleset, network->bridge);
	make_output(ruleset);
	make_postrouting(ruleset, network->bridge);
	make_forward(ruleset, network->bridge);
	make_to_guest(ruleset, network->bridge);
	make_from_guest(ruleset);
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

size_t ruleset_elements(const struct ruleset *ruleset, const struct map *map,
			const struct plan_element **ret_elements)
{
	*ret_elements = map->ranges ? ruleset->plan->ranges : ruleset->plan->ports;
	return map->ranges ? ruleset->plan->n_ranges : ruleset->plan->n_ports;
}
