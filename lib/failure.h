/*
 * Why the guest cannot be had: an exit code and a sentence, made where it is known, told by main.c.
 */
#pragma once

#include "lib/util.h"
#include "lib/wire.h"

struct failure {
	enum exit_code code;
	char text[1024];
};

/** failure_set() - Fill @failure. Return: @result, so that a caller can return it. */
int failure_set(struct failure *failure, enum exit_code code, int result, const char *format, ...)
	PRINTF_LIKE(4, 5);
