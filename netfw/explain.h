/* The kernel's complaints about a batch, told in terms of rules, forwards and modules. */
#pragma once

#include "netfw/batch.h"
#include "netfw/error.h"
#include "netfw/talk.h"

/**
 * explain_batch() - Fill @error from the kernel's answer to @batch.
 * @answer: with a code that is not 0
 *
 * Return: @answer's code.
 */
int explain_batch(const struct batch *batch, const struct talk_answer *answer,
		  struct netfw_error *error);

/**
 * explain_send() - The batch of @length bytes could not be sent, or its answers not be read.
 *
 * Return: @code.
 */
int explain_send(int code, size_t length, struct netfw_error *error);
