/* The ruleset as netlink messages. */
#pragma once

#include "netfw/batch.h"
#include "netfw/ruleset.h"

/**
 * encode_ruleset() - Append what replaces the table as a whole: make sure that it exists, delete
 * it, build it.
 *
 * One transaction: the kernel switches from the old rules to the new ones at once, and a table that
 * was not there is no special case. Errors stick to @batch.
 */
void encode_ruleset(struct batch *batch, const struct ruleset *ruleset);

/** encode_delete() - Append what deletes @table, whether it is there or not. */
void encode_delete(struct batch *batch, const char *table);
