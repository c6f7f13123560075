/* What the kernel has of our table, in the planner's terms. */
#pragma once

#include "netfw/encode.h"
#include "netfw/talk.h"

struct readback {
	bool same; /* sets, chains and rules are as we would make them, and nothing else is there:
		      only elements may differ */
	struct plan_list maps[RULESET_MAX_SETS]; /* as ruleset->sets; an element that leads to
						    another address has guest port 0 */
	struct counts counts;			 /* also of a table that is not the same */
};

/**
 * readback_read() - Read the table, and compare it with @ruleset.
 * @ruleset: with rules
 * @wanted: its messages, from encode_ruleset()
 * @readback: zeroed, or from a reading before; to be emptied with readback_clear()
 *
 * That there is no such table is no error: then it is not the same. Elements are read also of one
 * that is not the same, as far as there are such sets.
 *
 * Return: 0 or -errno: -EINTR if it was changed meanwhile, or is being rearranged.
 */
int readback_read(struct talk *filter, const struct ruleset *ruleset, const struct batch *wanted,
		  struct readback *readback);

/** readback_counts() - Read the counters alone. Return: 0 or -errno: -ENOENT if there is no such
 * table, -EINTR. */
int readback_counts(struct talk *filter, const struct ruleset *ruleset, struct counts *counts);

void readback_clear(struct readback *readback);
