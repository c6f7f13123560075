/* Members of the status, and how people like to read them. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/** text_of() - A member's text, empty if there is none. */
const char *text_of(const json_t *object, const char *key);

/** number_of() - A member's number, 0 if there is none. */
long long number_of(const json_t *object, const char *key);

/** duration() - "850 ms", "42 s", "3 min 5 s", "2 h 10 min", "4 d 3 h": two units at most. */
const char *duration(long long ms, char *buffer, size_t size);

/**
 * amount() - A number with the prefix of a unit, three digits at most: "999", "1.2k", "130k",
 * "4.5M".
 * @blank: what stands between the number and the prefix, "" or " "
 */
const char *amount(long long number, const char *blank, char *buffer, size_t size);
