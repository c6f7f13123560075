/*
 * Our table, and what is known of it: brought from whatever it is to what is wanted, in one
 * transaction, by as little as possible.
 */
#pragma once

#include "netfw/readback.h"

struct table {
	struct talk *filter;
	char name[RULESET_TABLE_MAX];
	bool known;		/* the next three are what the kernel had at @generation */
	uint32_t generation;	/* of the whole ruleset */
	struct ruleset_key key; /* rules */
	struct plan plan;	/* elements */
	struct counts counts;	/* everything that was ever read: what a new table begins with */
	/* Memory that is used again. */
	struct plan next;
	struct batch batch;
	struct ruleset whole; /* what the batch's objects are named after */
	struct readback readback;
	struct plan_list added[RULESET_MAX_SETS], removed[RULESET_MAX_SETS];
	struct counts fresh;
	struct count_list ranges, ranges_added, ranges_removed;
};

/** table_init() - @filter and @name must live as long as the table. Return: 0 or -ENOMEM. */
int table_init(struct table *table, struct talk *filter, const char *name);

void table_clear(struct table *table);

/** table_apply() - See netfw_apply(). */
int table_apply(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, enum netfw_change *ret_change,
		struct netfw_error *error);

/** table_check() - See netfw_check(). */
int table_check(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, struct netfw_error *error);

/** table_count() - See netfw_count(). */
int table_count(struct table *table, const struct netfw_rules *rules,
		struct netfw_count *ret_counts, struct netfw_error *error);

/** table_print() - See netfw_print(). */
int table_print(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, FILE *out, struct netfw_error *error);

/** table_delete() - Remove it; it is no mistake if it is not there. Return: 0 or -errno. */
int table_delete(struct table *table, struct netfw_error *error);
