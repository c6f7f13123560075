/*
 * Our table, and what is known of it: brought from whatever it is to what is wanted, in one
 * transaction, by as little as possible.
 */
#pragma once

#include "netfw/difference.h"
#include "netfw/readback.h"

struct table {
	struct talk *filter;
	char name[RULESET_TABLE_MAX];
	uint32_t generation;	/* of the whole ruleset, at which the kernel had the next two; 0:
				   nobody knows what it has */
	struct ruleset_key key; /* the rules */
	struct plan plan;	/* the elements */
	struct plan_ports gone; /* ports that led elsewhere before; until table_forget_gone() */
	struct counts counts;	/* everything that was ever read: what a new table begins with */
	/* Memory that is used again. */
	struct plan next;
	struct batch batch;
	struct ruleset whole; /* what the batch's objects are named after */
	struct readback readback;
	struct difference difference;
	struct count_list ranges; /* counters that the kernel has, from memory */
	struct count_list wanted; /* counters of ranges that it shall have */
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
int table_count(struct table *table, struct netfw_count *ret_counts, size_t n,
		struct netfw_error *error);

/** table_forget_gone() - Connections through what is gone were dealt with. */
void table_forget_gone(struct table *table);

/** table_print() - See netfw_print(). */
int table_print(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, FILE *out, struct netfw_error *error);

/** table_delete() - Remove it; it is no mistake if it is not there. Return: 0 or -errno. */
int table_delete(struct table *table, struct netfw_error *error);
