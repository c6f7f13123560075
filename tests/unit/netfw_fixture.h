/* From rules to a ruleset, as table.c makes it, for tests of what comes behind it. */
#pragma once

#include "netfw/ruleset.h"

/* What a ruleset points to. */
struct made {
	struct plan plan;
	struct counts counts;
	struct ruleset ruleset;
};

/**
 * make_ruleset() - The whole table `casement`. @made->counts may have been filled before. It is to
 * be emptied with clear_ruleset().
 */
void make_ruleset(struct made *made, const struct netfw_network *network,
		  const struct netfw_rules *rules);

void clear_ruleset(struct made *made);
