/* Limits of a process's resources, as a configuration has them: `core=0 memlock=64M nproc=200`. */
#pragma once

#include <stdint.h>

/* What can be limited; open files have a key of their own. */
enum limit {
	LIMIT_AS,
	LIMIT_CORE,
	LIMIT_CPU,
	LIMIT_DATA,
	LIMIT_FSIZE,
	LIMIT_MEMLOCK,
	LIMIT_NPROC,
	LIMIT_STACK,
	N_LIMITS
};

struct limits {
	uint64_t set;		  /* a bit for each that is given */
	uint64_t value[N_LIMITS]; /* bytes, seconds or processes; UINT64_MAX: unlimited */
};

/**
 * limits_parse() - Read NAME=VALUE words, separated by blanks or commas.
 *
 * A value is a number, for sizes also with a unit (K, M, G, T), or `unlimited`.
 *
 * Return: NULL, or why the text is no such list, as the end of a sentence that begins with it.
 */
const char *limits_parse(const char *text, struct limits *ret_limits);

/** limits_resource() - What getrlimit(2) calls it, RLIMIT_*. */
int limits_resource(enum limit limit);
