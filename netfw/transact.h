/*
 * Transactions of nf_tables: a batch is taken as a whole or not at all, and only on the state of
 * the ruleset that it was made for.
 */
#pragma once

#include "netfw/batch.h"
#include "netfw/error.h"
#include "netfw/talk.h"

/**
 * transact_generation() - The number of the ruleset's present state; every transaction of anybody's
 * adds one. Return: 0 or -errno with @error.
 */
int transact_generation(struct talk *filter, uint32_t *ret_generation, struct netfw_error *error);

/**
 * transact_commit() - Send @batch, which is made for the state @generation.
 * @any: whatever the state is by then; only for a batch that does not depend on it
 * @ret_generation: number of the state that it made; 0 if somebody else has made another one since,
 * or before with @any
 *
 * A kernel that does not complain has not necessarily committed: it ignores a batch that was cut
 * short without a word. So the generation has the last word.
 *
 * Return: 0; -ERESTART if the state is another one already; -EAGAIN if it is not known whether it
 * was taken: look, and send it again; else -errno with @error, and nothing was changed.
 */
int transact_commit(struct talk *filter, struct batch *batch, uint32_t generation, bool any,
		    uint32_t *ret_generation, struct netfw_error *error);

/**
 * transact_rehearse() - Send @batch, which has no end, for the kernel to check.
 *
 * Return: 0 if it would be taken, else -errno with @error.
 */
int transact_rehearse(struct talk *filter, struct batch *batch, struct netfw_error *error);
