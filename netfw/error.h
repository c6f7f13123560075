/* Filling struct netfw_error: in one place, so that it is always complete. */
#pragma once

#include "lib/util.h"
#include "netfw/netfw.h"

/**
 * netfw_fail() - Fill @error and hand on @code.
 * @error: may be NULL
 * @code: -errno
 * @format: object, reason and remedy in one sentence
 *
 * Return: @code.
 */
int netfw_fail(struct netfw_error *error, enum netfw_fault fault, int code, const char *format, ...)
	PRINTF_LIKE(4, 5);

/** netfw_fail_forward() - The same, and @forward is to blame. */
int netfw_fail_forward(struct netfw_error *error, size_t forward, int code, const char *format, ...)
	PRINTF_LIKE(4, 5);

/**
 * netfw_fail_system() - @action failed with @code; a missing privilege is told apart and its remedy
 * named.
 */
int netfw_fail_system(struct netfw_error *error, int code, const char *action);
