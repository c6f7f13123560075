#include "lib/probe_choice.h"

#include "lib/util.h"
#include "lib/value.h"

#include <assert.h>

static const char *const words[] = { "rdp", "tcp", "agent", "none" };

static_assert(ARRAY_SIZE(words) == PROBE_NOTHING + 1, "a kind without a word");

const char *probe_choice_parse(const char *text, struct probe_choice *ret_choice)
{
	struct probe_choice choice = { .kind = PROBE_BY_TCP };

	if (strncmp(text, "tcp", 3) == 0 && (text[3] == ':' || !text[3])) {
		if (!text[3] || value_unsigned(text + 4, 1, 65535, &choice.port))
			return "has no port from 1 to 65535 behind tcp: write tcp:22, for instance";
		*ret_choice = choice;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!streq(text, words[i]))
			continue;
		*ret_choice = (struct probe_choice){ .kind = (enum probe_kind)i };
		return NULL;
	}
	return "is none of: rdp, tcp:PORT, agent, none";
}

const char *probe_choice_text(const struct probe_choice *choice,
			      char buffer[static PROBE_CHOICE_SIZE])
{
	if (choice->kind == PROBE_BY_TCP)
		snprintf(buffer, PROBE_CHOICE_SIZE, "tcp:%u", choice->port % 65536);
	else
		snprintf(buffer, PROBE_CHOICE_SIZE, "%s", words[choice->kind]);
	return buffer;
}
