/*
 * What is between the sets that the kernel has and those that are wanted. Pure; table.c reads the
 * ones and sends the other.
 */
#pragma once

#include "netfw/encode.h"

/* What the kernel has, by the sets of a ruleset. */
struct present {
	bool same; /* all but the elements is as it is wanted */
	const struct plan_list *maps[RULESET_MAX_SETS];
	const struct count_list *ranges; /* the counters of ranges; their values do not matter */
};

/* The memory is used again. */
struct difference {
	struct plan_list added[RULESET_MAX_SETS];
	struct plan_list removed[RULESET_MAX_SETS]; /* also those that lead to another port now */
	struct count_list ranges_added, ranges_removed;
	size_t n; /* of all of them */
};

/**
 * difference_make() - Compare @present with the elements that @wanted shall have.
 *
 * Return: 0 or -ENOMEM.
 */
int difference_make(struct difference *difference, const struct ruleset *wanted,
		    const struct present *present);

/** difference_encode() - Append it to @batch, removals first: what is added may take their place.
 */
void difference_encode(const struct difference *difference, const struct ruleset *wanted,
		       struct batch *batch);

void difference_clear(struct difference *difference);
