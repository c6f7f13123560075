/*
 * A strict reader of JSON for tests: RFC 8259 and nothing else, no repair and no extension.
 * (jansson, which casementctl links, has names in common with the writer that is under test.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** json_is_valid() - Is this one JSON value, well-formed UTF-8 in its strings, and nothing behind
 * it? */
bool json_is_valid(const char *text, size_t length);

/**
 * json_find() - The text of a value, as it stands there: `12`, `"a\"b"`, `{…}`.
 * @path: names and indices, as in "services.0.name"
 *
 * Return: @buffer, which is empty when there is no such value.
 */
const char *json_find(const char *text, size_t length, const char *path, char *buffer, size_t size);
