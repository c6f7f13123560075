#include "lib/rlimits.h"

#include "lib/util.h"
#include "lib/value.h"

#include <assert.h>
#include <limits.h>
#include <sys/resource.h>

static const struct {
	const char *name;
	int resource;
	bool bytes;
} known[] = {
	[LIMIT_AS] = { "as", RLIMIT_AS, true },
	[LIMIT_CORE] = { "core", RLIMIT_CORE, true },
	[LIMIT_CPU] = { "cpu", RLIMIT_CPU, false },
	[LIMIT_DATA] = { "data", RLIMIT_DATA, true },
	[LIMIT_FSIZE] = { "fsize", RLIMIT_FSIZE, true },
	[LIMIT_MEMLOCK] = { "memlock", RLIMIT_MEMLOCK, true },
	[LIMIT_NPROC] = { "nproc", RLIMIT_NPROC, false },
	[LIMIT_STACK] = { "stack", RLIMIT_STACK, true },
};

static_assert(ARRAY_SIZE(known) == N_LIMITS, "a limit without a name");

int limits_resource(enum limit limit)
{
	return known[limit].resource;
}

/* One value. Return: whether it is one. */
static bool read_value(const char *text, bool bytes, uint64_t *ret_value)
{
	unsigned number;

	if (streq(text, "unlimited")) {
		*ret_value = UINT64_MAX;
		return true;
	}
	if (!value_unsigned(text, 0, UINT_MAX, &number)) {
		*ret_value = number;
		return true;
	}
	return bytes && !value_size(text, ret_value);
}

/* One word, which is cut up. Return: whether it is a limit. */
static bool read_limit(char *word, struct limits *limits)
{
	char *equals = strchr(word, '=');

	if (!equals)
		return false;
	*equals = '\0';
	for (unsigned i = 0; i < N_LIMITS; i++) {
		if (!streq(word, known[i].name))
			continue;
		limits->set |= UINT64_C(1) << i;
		return read_value(equals + 1, known[i].bytes, &limits->value[i]);
	}
	return false;
}

const char *limits_parse(const char *text, struct limits *ret_limits)
{
	autofree char *copy = strdup(text);
	struct limits limits = { 0 };
	char *rest = copy, *word;

	if (!copy)
		return "does not fit into memory";
	while ((word = strsep(&rest, " \t,"))) {
		if (*word && !read_limit(word, &limits))
			return "is not a list of limits such as core=0 memlock=64M "
			       "nproc=unlimited; there are as, core, cpu, data, fsize, memlock, "
			       "nproc and stack";
	}
	*ret_limits = limits;
	return NULL;
}
