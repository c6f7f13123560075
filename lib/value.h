/*
 * Values as people write them in a configuration. Pure functions.
 *
 * Each returns NULL and stores the value, or returns why the text is none, as the end of a sentence
 * that begins with the text ("is not a number"), and stores nothing.
 */
#pragma once

#include "lib/config.h"

/** value_unsigned() - A decimal number from @min to @max. */
const char *value_unsigned(const char *text, unsigned min, unsigned max, unsigned *ret_value);

/** value_oom_score() - A decimal number from -1000 to 1000 (an OOM score). */
const char *value_oom_score(const char *text, int *ret_value);

/** value_bool() - yes, no, true, false, on, off, 1, 0. */
const char *value_bool(const char *text, bool *ret_value);

/** value_duration() - `90` and `90s` (seconds), `500ms`, `2m`, `1h`; in milliseconds, at most 24
 * days (it fits an int). */
const char *value_duration(const char *text, unsigned *ret_ms);

/** value_size() - `512M`, `4G`, with a unit (K, M, G, T: powers of 1024); in bytes. */
const char *value_size(const char *text, uint64_t *ret_bytes);

/** value_choice() - One of @choices (NULL-terminated); its place among them. */
const char *value_choice(const char *text, const char *const choices[], unsigned *ret_index);

/** value_signal() - `TERM`, `SIGTERM`, `RTMIN+3` or a number. */
const char *value_signal(const char *text, int *ret_signal);

/** value_mode() - Octal permission bits, `0660`. */
const char *value_mode(const char *text, mode_t *ret_mode);

/** value_codes() - Exit codes from 0 to 255, separated by spaces or commas, as a bitmap. */
const char *value_codes(const char *text, uint32_t ret_codes[static 8]);

/** value_address() - Dotted decimal IPv4. */
const char *value_address(const char *text, struct in_addr *ret_address);

/** value_subnet() - `auto`, or `192.168.121.0/24` (/8 to /29). */
const char *value_subnet(const char *text, struct subnet *ret_subnet);

/** value_mac() - A unicast Ethernet address, `52:54:00:12:34:56`. */
const char *value_mac(const char *text, uint8_t ret_mac[static 6]);

/** value_path() - An absolute path. */
const char *value_path(const char *text);

/** value_words() - Words separated by spaces or commas, appended to @list. */
const char *value_words(const char *text, struct strlist *list);

/**
 * value_command() - A command line: words separated by spaces; '…' and "…" keep spaces, \ keeps the
 * next character. Nothing is expanded: there is no shell.
 */
const char *value_command(const char *text, struct strlist *list);
