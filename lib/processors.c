#include "lib/processors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIST "is not a list of processors such as 0-3,8"

/** take_number() - A processor's number at *@text. */
static bool take_number(const char **text, unsigned *ret_number)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned long number;

	/* More digits than CPU_SETSIZE has would be too many anyway. */
	if (!digits || digits > 4)
		return false;
	number = strtoul(*text, NULL, 10);
	*text += digits;
	*ret_number = (unsigned)number;
	return number < CPU_SETSIZE;
}

const char *processors_parse(const char *text, cpu_set_t *ret_set)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (;; text++) {
		unsigned first, last;

		text += strspn(text, " ");
		if (!take_number(&text, &first))
			return NO_LIST;
		last = first;
		if (*text == '-') {
			text++;
			if (!take_number(&text, &last) || last < first)
				return NO_LIST;
		}
		for (; first <= last; first++)
			CPU_SET(first, &set);
		text += strspn(text, " ");
		if (*text != ',')
			break;
	}
	if (*text)
		return NO_LIST;
	*ret_set = set;
	return NULL;
}

const char *processors_text(const cpu_set_t *set, char *buffer, size_t size)
{
	size_t length = 0;

	buffer[0] = '\0';
	for (unsigned first = 0; first < CPU_SETSIZE && length < size; first++) {
		unsigned last = first;

		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		length += (size_t)snprintf(buffer + length, size - length, "%s%u",
					   length ? "," : "", first);
		if (last > first && length < size)
			length += (size_t)snprintf(buffer + length, size - length, "-%u", last);
		first = last;
	}
	return buffer;
}
