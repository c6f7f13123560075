/* The kernel's complaints about a batch, told in terms of rules, forwards and modules. */
#pragma once

#include "netfw/batch.h"
#include "netfw/error.h"
#include "netfw/plan.h"
#include "netfw/talk.h"

/**
 * explain_batch() - Fill @error from the kernel's answer to @batch.
 * @answer: with a code that is not 0
 * @plan: what the batch's elements come from, or NULL
 *
 * Return: @answer's code.
 */
int explain_batch(const struct batch *batch, const struct plan *plan,
		  const struct talk_answer *answer, struct netfw_error *error);
