/*
 * Writing JSON into a buffer of fixed size. What does not fit sets `truncated` and is left out;
 * struct json is a value, so a caller who wants to leave out a whole member keeps a copy from
 * before it and puts it back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *at;
	size_t size;
	size_t length;
	bool truncated;
	bool comma; /* the next member needs one before it */
};

/* @name is NULL inside an array and for the outermost value. */
void json_object_begin(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_number(struct json *json, const char *name, int64_t value);
void json_string(struct json *json, const char *name, const char *text);

/** json_bytes() - A string of @length bytes; a byte that is not part of UTF-8 becomes U+FFFD. */
void json_bytes(struct json *json, const char *name, const char *text, size_t length);
