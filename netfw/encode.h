/* The ruleset as netlink messages. Errors stick to the batch. */
#pragma once

#include "netfw/batch.h"
#include "netfw/ruleset.h"

/*
 * Each part of a key or of a value fills whole words: protocol and port, a counter's direction in
 * front of them; an address, and a port behind it.
 */
#define ENCODE_WORD ((size_t)4)

/**
 * encode_ruleset() - Append what replaces the table as a whole: make sure that it exists, delete
 * it, build it.
 *
 * One transaction: the kernel switches from the old rules to the new ones at once, and a table that
 * was not there is no special case.
 */
void encode_ruleset(struct batch *batch, const struct ruleset *ruleset);

/** encode_delete() - Append what deletes @table, whether it is there or not. */
void encode_delete(struct batch *batch, const char *table);

/**
 * encode_elements() - Append elements of a map.
 * @type: NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM
 * @elements: must live as long as @batch, so that a complaint can be told in their terms
 */
void encode_elements(struct batch *batch, const struct ruleset *ruleset, const struct set *map,
		     uint16_t type, const struct plan_element *elements, size_t n);

/** encode_counts() - The same for elements of a counting set; new ones begin with their values. */
void encode_counts(struct batch *batch, const struct ruleset *ruleset, const struct set *set,
		   uint16_t type, const struct count_element *elements, size_t n);
