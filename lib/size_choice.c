#include "lib/size_choice.h"

#include "lib/util.h"
#include "lib/value.h"

#include <assert.h>
#include <ctype.h>

/* Values are compared byte by byte. */
static_assert(sizeof(struct memory_choice) == 2 * sizeof(unsigned) + sizeof(uint64_t), "a gap");

/** parse_percent() - A whole number and a percent sign. */
static const char *parse_percent(const char *text, unsigned *ret_percent)
{
	char digits[4] = "";
	size_t length = strlen(text) - 1;

	/* Four of them and more are none. */
	if (length < sizeof(digits))
		snprintf(digits, sizeof(digits), "%.*s", (int)length, text);
	return value_unsigned(digits, 1, 100, ret_percent) ? "is not a percentage from 1% to 100%"
							   : NULL;
}

const char *memory_choice_parse(const char *text, struct memory_choice *ret_choice)
{
	struct memory_choice choice = { .kind = MEMORY_SIZE };
	const char *reason;

	if (streq(text, "max")) {
		choice.kind = MEMORY_MAX;
	} else if (!isdigit((unsigned char)*text)) {
		return "is neither a size such as 4G nor a percentage such as 50% nor max";
	} else if (text[strlen(text) - 1] == '%') {
		choice.kind = MEMORY_PERCENT;
		reason = parse_percent(text, &choice.percent);
		if (reason)
			return reason;
	} else {
		reason = value_size(text, &choice.bytes);
		if (reason)
			return reason;
		if (choice.bytes < MEMORY_MIN)
			return "is less than 64M, which no guest starts with";
	}
	*ret_choice = choice;
	return NULL;
}

const char *cpus_choice_parse(const char *text, unsigned *ret_cpus)
{
	if (streq(text, "max")) {
		*ret_cpus = CPUS_MAX;
		return NULL;
	}
	return value_unsigned(text, 1, CPUS_LIMIT, ret_cpus)
		       ? "is neither a number from 1 to 255 nor max"
		       : NULL;
}
