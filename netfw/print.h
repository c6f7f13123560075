/* The ruleset as nft writes it. */
#pragma once

#include "netfw/ruleset.h"

/**
 * print_ruleset() - The table as `nft list table` prints it; sets and maps are sorted by protocol
 * and port.
 */
void print_ruleset(const struct ruleset *ruleset, FILE *out);
