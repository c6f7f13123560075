#include "init/ctl/value.h"

#include <stdio.h>

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *duration(long long ms, char *buffer, size_t size)
{
	long long s = ms / 1000;

	if (ms < 1000)
		snprintf(buffer, size, "%lld ms", ms);
	else if (s < 60)
		snprintf(buffer, size, "%lld s", s);
	else if (s < 3600)
		snprintf(buffer, size, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else
		snprintf(buffer, size, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	return buffer;
}

const char *amount(long long number, const char *blank, char *buffer, size_t size)
{
	static const char prefixes[] = "kMGTPE";
	double value = (double)number;
	size_t n = 0;

	/* Rounded as it will be printed: 999.6 thousands are a million. */
	while (value >= 999.5) {
		value /= 1000;
		n++;
	}
	if (n == 0)
		snprintf(buffer, size, "%lld%s", number, blank);
	else
		snprintf(buffer, size, "%.*f%s%c", value < 9.95, value, blank, prefixes[n - 1]);
	return buffer;
}
