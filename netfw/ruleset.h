/*
 * The ruleset as a model: sets, chains and rules of our table, each rule with its expressions and
 * its words. Pure. encode.c turns it into netlink messages, print.c into text.
 */
#pragma once

#include "netfw/count.h"
#include "netfw/netfw.h"
#include "netfw/plan.h"
#include "netfw/rule.h"

/*
 * Names and sizes are the kernel's: NFT_TABLE_MAXNAMELEN is more, but 31 characters are enough for
 * a name.
 */
#define RULESET_TABLE_MAX 32
#define RULESET_MAX_CHAINS 16
#define RULESET_MAX_RULES 48
#define RULESET_MAX_SETS 8

/*
 * Room for as many counters as there are ports of two protocols in two directions: packets fill
 * that set, and it must not become full. Of its size the kernel takes the lower 16 bits for the
 * number of counters that its hash table has buckets for from the beginning (nelem_hint in struct
 * rhashtable_params), and it clears and walks all of them: room for 65,532 would be a megabyte for
 * each table, for these it is 128 KiB. With more counters the table grows by itself.
 */
#define RULESET_COUNT_PORTS_FIRST 12288u
#define RULESET_COUNT_PORTS_SIZE (2u * 2u * 65536u + RULESET_COUNT_PORTS_FIRST)

/*
 * Docker's embedded DNS rewrites port 53 of this address in the same hook as ours; it is none of
 * ours.
 */
#define RULESET_DOCKER_DNS 0x7f00000bu

/* 127.0.0.0/8 */
#define RULESET_LOOPBACK_OCTET 127

/*
 * What the guest asks the bridge for is meant for dnsmasq, even if these ports are forwarded to the
 * guest.
 */
#define RULESET_PORT_DNS 53
#define RULESET_PORT_DHCP 67

enum set_kind {
	SET_MAP_PORTS,	  /* hash map from protocol and port to address and port */
	SET_MAP_RANGES,	  /* interval map from protocol and ports to an address */
	SET_COUNT_PORTS,  /* counters by direction, protocol and port; filled by packets */
	SET_COUNT_RANGES, /* the same by ranges; filled by us */
};

struct set {
	const char *name;
	uint32_t id; /* by which rules and elements of the same batch refer to it */
	enum set_kind kind;
	uint8_t family; /* of a map's addresses */
};

struct chain {
	const char *name;
	const char *type;     /* "nat" or "filter"; NULL for a chain that is only jumped to */
	const char *hook;     /* as nft writes it */
	uint32_t hook_number; /* enum nf_inet_hooks */
	int32_t priority;
	const char *priority_text; /* as nft writes it */
};

struct ruleset_rule {
	size_t chain; /* index */
	struct rule rule;
};

/* What the rules depend on beside the plan: two of them that are equal have the same rules. */
struct ruleset_key {
	char table[RULESET_TABLE_MAX];
	char bridge[IF_NAMESIZE];
	struct in_addr guest;
	struct in6_addr guest6;
	bool ipv6;
	enum netfw_source source;
};

struct ruleset {
	struct ruleset_key key;
	const struct plan *plan;     /* the elements of the maps; the caller's */
	const struct counts *counts; /* the elements of the counting sets; the caller's */
	struct set sets[RULESET_MAX_SETS];
	size_t n_sets;
	struct chain chains[RULESET_MAX_CHAINS];
	size_t n_chains;
	struct ruleset_rule rules[RULESET_MAX_RULES]; /* in the order of the chains */
	size_t n_rules;
};

/** ruleset_key() - IPv6 is left out where the guest has none. */
struct ruleset_key ruleset_key(const char *table, const struct netfw_network *network,
			       enum netfw_source source);

/** ruleset_same_key() - Do both have the same rules? */
bool ruleset_same_key(const struct ruleset_key *a, const struct ruleset_key *b);

/**
 * ruleset_frame() - Sets and chains, no rules yet: enough to change elements.
 * @plan: must live as long as the ruleset; so must @counts, in which ranges are those of the plan
 */
void ruleset_frame(const struct ruleset_key *key, const struct plan *plan,
		   const struct counts *counts, struct ruleset *ret_ruleset);

/**
 * ruleset_add_rules() - Everything that the table shall hold. To be emptied with ruleset_clear(),
 * also on failure. Return: 0 or -ENOMEM.
 */
int ruleset_add_rules(struct ruleset *ruleset);

void ruleset_clear(struct ruleset *ruleset);

/** set_is_map() - Otherwise it counts. */
bool set_is_map(const struct set *set);

/** set_has_ranges() - Are its elements ranges of ports? */
bool set_has_ranges(const struct set *set);

/** ruleset_map() - The elements that the map @set shall have. */
const struct plan_list *ruleset_map(const struct ruleset *ruleset, const struct set *set);

/** ruleset_counts() - The elements that the counting @set shall have. */
const struct count_list *ruleset_counts(const struct ruleset *ruleset, const struct set *set);
