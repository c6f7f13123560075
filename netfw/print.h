/* The ruleset as nft writes it. */
#pragma once

#include "netfw/ruleset.h"

/**
 * print_ruleset() - The table as `nft list table` prints it; maps are sorted by protocol and port.
 */
void print_ruleset(const struct ruleset *ruleset, FILE *out);

/** print_element() - "tcp . 3389 : 192.168.121.68 . 3389" */
void print_element(const struct ruleset *ruleset, const struct map *map,
		   const struct plan_element *element, FILE *out);
