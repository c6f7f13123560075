/* What the table of keys (config_keys.c) and the storing of their values (config_values.c) share.
 */
#pragma once

#include "lib/config_entry.h"

enum key_type {
	KEY_TEXT,
	KEY_PATH,
	KEY_BOOL,
	KEY_UNSIGNED,
	KEY_DURATION,
	KEY_SIZE,
	KEY_MEMORY,
	KEY_CPUS,
	KEY_HUGEPAGES,
	KEY_PROCESSORS,
	KEY_CHOICE,
	KEY_LEVEL,
	KEY_SIGNAL,
	KEY_MODE,
	KEY_CODES,
	KEY_OOM,
	KEY_LIMITS,
	KEY_FORWARDS,
	KEY_PORTS,
	KEY_ADDRESS,
	KEY_SUBNET,
	KEY_MAC,
	KEY_PROBE,
	KEY_WORDS,
	KEY_COMMAND,
};

struct config_key {
	enum section_kind kind;
	const char *name;
	enum key_type type;
	size_t offset;
	const char *fallback; /* NULL: none */
	const char *help;
	unsigned min, max;	    /* KEY_UNSIGNED, and KEY_DURATION in ms when max is set */
	const char *const *choices; /* KEY_CHOICE */
	enum config_key_reload reload;
};
