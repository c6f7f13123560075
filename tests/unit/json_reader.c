#include "json_reader.h"

#include "lib/util.h"

#include <ctype.h>

#define MAX_DEPTH 32

/* What is left of the text. Every function takes what it reads from the front and says whether that
 * was right. */
struct reader {
	const char *at, *end;
	const char *path; /* what is sought below the value that is read next; NULL: nothing */
	const char *found, *found_end;
	unsigned depth;
};

static bool read_value(struct reader *reader);

static bool take(struct reader *reader, char c)
{
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at && strchr(" \t\r\n", *reader->at))
		reader->at++;
}

static bool read_word(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static size_t read_digits(struct reader *reader)
{
	const char *begin = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return (size_t)(reader->at - begin);
}

static bool read_number(struct reader *reader)
{
	take(reader, '-');
	if (!take(reader, '0') && !read_digits(reader))
		return false;
	if (take(reader, '.') && !read_digits(reader))
		return false;
	if (take(reader, 'e') || take(reader, 'E')) {
		if (!take(reader, '+'))
			take(reader, '-');
		return read_digits(reader) > 0;
	}
	return true;
}

/* One character beyond ASCII: decode it, then look at what came out. */
static bool read_utf8(struct reader *reader)
{
	unsigned char first = (unsigned char)*reader->at++;
	size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	static const unsigned least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned code = first & (0x3fU >> more);

	if (first < 0xc0 || first > 0xf7)
		return false;
	for (size_t i = 0; i < more; i++) {
		if (reader->at == reader->end || ((unsigned char)*reader->at & 0xc0) != 0x80)
			return false;
		code = code << 6 | ((unsigned char)*reader->at++ & 0x3fU);
	}
	return code >= least[more] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static bool read_escape(struct reader *reader)
{
	if (reader->at == reader->end)
		return false;
	if (*reader->at++ != 'u')
		return strchr("\"\\/bfnrt", reader->at[-1]) && reader->at[-1];
	for (int i = 0; i < 4; i++, reader->at++) {
		if (reader->at == reader->end || !isxdigit((unsigned char)*reader->at))
			return false;
	}
	return true;
}

static bool read_string(struct reader *reader)
{
	if (!take(reader, '"'))
		return false;
	while (reader->at < reader->end) {
		unsigned char c = (unsigned char)*reader->at;

		if (c >= 0x80) {
			if (!read_utf8(reader))
				return false;
			continue;
		}
		reader->at++;
		if (c == '"')
			return true;
		if (c < 0x20 || (c == '\\' && !read_escape(reader)))
			return false;
	}
	return false;
}

/** below() - The rest of the path if its first step is @name, else NULL. */
static const char *below(const char *path, const char *name, size_t length)
{
	if (!path || strncmp(path, name, length) != 0)
		return NULL;
	return path[length] == '.'    ? path + length + 1
	       : path[length] == '\0' ? path + length
				      : NULL;
}

static bool read_members(struct reader *reader, char close)
{
	const char *path = reader->path;
	char index[16];

	skip_blanks(reader);
	if (take(reader, close))
		return true;
	for (unsigned i = 0;; i++) {
		const char *name = index;
		size_t length = (size_t)snprintf(index, sizeof(index), "%u", i);

		skip_blanks(reader);
		if (close == '}') {
			name = reader->at + 1;
			reader->path = NULL;
			if (!read_string(reader))
				return false;
			length = (size_t)(reader->at - 1 - name);
			skip_blanks(reader);
			if (!take(reader, ':'))
				return false;
		}
		reader->path = below(path, name, length);
		if (!read_value(reader))
			return false;
		skip_blanks(reader);
		if (take(reader, close))
			return true;
		if (!take(reader, ','))
			return false;
	}
}

static bool read_value(struct reader *reader)
{
	const char *begin;
	bool sought, good;

	skip_blanks(reader);
	if (reader->at == reader->end || reader->depth == MAX_DEPTH)
		return false;
	begin = reader->at;
	sought = reader->path && !*reader->path;
	reader->depth++;
	switch (*begin) {
	case '{': reader->at++, good = read_members(reader, '}'); break;
	case '[': reader->at++, good = read_members(reader, ']'); break;
	case '"': good = read_string(reader); break;
	case 't': good = read_word(reader, "true"); break;
	case 'f': good = read_word(reader, "false"); break;
	case 'n': good = read_word(reader, "null"); break;
	default: good = read_number(reader); break;
	}
	reader->depth--;
	if (sought && good) {
		reader->found = begin;
		reader->found_end = reader->at;
	}
	return good;
}

static bool read_whole(struct reader *reader)
{
	if (!read_value(reader))
		return false;
	skip_blanks(reader);
	return reader->at == reader->end;
}

bool json_is_valid(const char *text, size_t length)
{
	struct reader reader = { .at = text, .end = text + length };

	return read_whole(&reader);
}

const char *json_find(const char *text, size_t length, const char *path, char *buffer, size_t size)
{
	struct reader reader = { .at = text, .end = text + length, .path = path };

	buffer[0] = '\0';
	if (read_whole(&reader) && reader.found)
		snprintf(buffer, size, "%.*s", (int)(reader.found_end - reader.found),
			 reader.found);
	return buffer;
}
