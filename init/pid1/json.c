#include "init/pid1/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void append(struct json *json, const char *text, size_t length)
{
	if (json->truncated || json->length + length > json->size) {
		json->truncated = true;
		return;
	}
	memcpy(json->at + json->length, text, length);
	json->length += length;
}

static void begin_member(struct json *json, const char *name)
{
	if (json->comma)
		append(json, ",", 1);
	json->comma = true;
	if (name) {
		append(json, "\"", 1);
		append(json, name, strlen(name));
		append(json, "\":", 2);
	}
}

static void open_bracket(struct json *json, const char *name, const char *bracket)
{
	begin_member(json, name);
	append(json, bracket, 1);
	json->comma = false;
}

static void close_bracket(struct json *json, const char *bracket)
{
	append(json, bracket, 1);
	json->comma = true;
}

void json_object_begin(struct json *json, const char *name)
{
	open_bracket(json, name, "{");
}

void json_object_end(struct json *json)
{
	close_bracket(json, "}");
}

void json_array_begin(struct json *json, const char *name)
{
	open_bracket(json, name, "[");
}

void json_array_end(struct json *json)
{
	close_bracket(json, "]");
}

void json_number(struct json *json, const char *name, int64_t value)
{
	char text[24] = "";

	begin_member(json, name);
	append(json, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

/*
 * Length of the UTF-8 sequence at @text (RFC 3629: no overlong forms, no surrogates), 0 when there
 * is none.
 */
static size_t utf8_sequence(const unsigned char *text, size_t length)
{
	size_t n;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	n = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (n > length)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void json_bytes(struct json *json, const char *name, const char *text, size_t length)
{
	begin_member(json, name);
	append(json, "\"", 1);
	for (size_t i = 0; i < length;) {
		unsigned char byte = (unsigned char)text[i];
		size_t n = utf8_sequence((const unsigned char *)text + i, length - i);
		char escape[8] = "";

		if (n == 0) {
			append(json, "\xef\xbf\xbd", 3);
			n = 1;
		} else if (byte == '"' || byte == '\\') {
			escape[0] = '\\';
			escape[1] = (char)byte;
			append(json, escape, 2);
		} else if (byte < 0x20 || byte == 0x7f) {
			append(json, escape,
			       (size_t)snprintf(escape, sizeof(escape), "\\u%04x", byte));
		} else {
			append(json, text + i, n);
		}
		i += n;
	}
	append(json, "\"", 1);
}

void json_string(struct json *json, const char *name, const char *text)
{
	json_bytes(json, name, text, strlen(text));
}
