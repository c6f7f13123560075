/*
 * The ruleset as a model: maps, chains and rules of our table, each rule with its expressions and
 * its words. Pure. encode.c turns it into netlink messages, print.c into text.
 */
#pragma once

#include "netfw/expr.h"
#include "netfw/netfw.h"
#include "netfw/plan.h"

/*
 * Names and sizes are the kernel's: NFT_TABLE_MAXNAMELEN is more, but 31 characters are enough for
 * a name.
 */
#define RULESET_TABLE_MAX 32
#define RULESET_MAX_CHAINS 8
#define RULESET_MAX_RULES 32
#define RULESET_MAX_MAPS 4

/* A map from protocol and port to where it leads. */
struct map {
	const char *name;
	uint32_t id; /* by which rules and elements of the same batch refer to it */
	uint8_t family;
	bool ranges; /* interval map to an address; otherwise hash map to address and port */
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

struct ruleset {
	char table[RULESET_TABLE_MAX];
	struct in_addr guest;
	struct in6_addr guest6;
	const struct plan *plan; /* the elements of all maps; the caller's */
	struct map maps[RULESET_MAX_MAPS];
	size_t n_maps;
	struct chain chains[RULESET_MAX_CHAINS];
	size_t n_chains;
	struct ruleset_rule rules[RULESET_MAX_RULES]; /* in the order of the chains */
	size_t n_rules;
};

/**
 * ruleset_make() - Everything that the table shall hold.
 * @plan: must live as long as the ruleset
 * @ret_ruleset: to be emptied with ruleset_clear(), also on failure
 *
 * Return: 0 or -ENOMEM.
 */
int ruleset_make(const char *table, const struct netfw_network *network, const struct plan *plan,
		 struct ruleset *ret_ruleset);

void ruleset_clear(struct ruleset *ruleset);

/**
 * ruleset_elements() - The elements of @map: the plan's ports or its ranges. Return: their number.
 */
size_t ruleset_elements(const struct ruleset *ruleset, const struct map *map,
			const struct plan_element **ret_elements);
