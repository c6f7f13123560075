/* A line is NAME:PASSWORD:GID:MEMBER,MEMBER: group(5). */
#include "init/pid1/group_file.h"

#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>

struct addition {
	const char *path;
	gid_t gid;
	const char *user;
};

/* The field behind @n colons, up to the next colon or the end of the line. */
static const char *field(const char *line, unsigned n, size_t *ret_length)
{
	while (n && *line) {
		if (*line++ == ':')
			n--;
	}
	*ret_length = strcspn(line, ":\n");
	return line;
}

/* Is @line that group's? One without a fourth field is nobody's. */
static bool has_gid(const char *line, gid_t gid)
{
	size_t length;
	const char *text = field(line, 2, &length);
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)gid);
	return length == strlen(number) && memcmp(text, number, length) == 0 && text[length] == ':';
}

static bool has_member(const char *members, size_t length, const char *user)
{
	size_t wanted = strlen(user);

	for (size_t at = 0; at < length;) {
		size_t n = strcspn(members + at, ",:\n");

		if (n == wanted && memcmp(members + at, user, n) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

/* The whole file again, with one member more. What cannot be read was found before. */
static void print(const void *context, FILE *out)
{
	const struct addition *addition = context;
	autofclose FILE *in = fopen(addition->path, "re");
	autofree char *line = NULL;
	bool done = false;
	size_t size = 0;

	while (in && getline(&line, &size, in) > 0) {
		size_t length;
		const char *members = field(line, 3, &length);

		line[strcspn(line, "\n")] = '\0';
		if (done || !has_gid(line, addition->gid)) {
			fprintf(out, "%s\n", line);
			continue;
		}
		done = true;
		if (has_member(members, length, addition->user))
			fprintf(out, "%s\n", line);
		else
			fprintf(out, "%s%s%s\n", line, length ? "," : "", addition->user);
	}
	if (!done)
		fprintf(out, "host-%u:x:%u:%s\n", (unsigned)addition->gid, (unsigned)addition->gid,
			addition->user);
}

int group_file_add(const char *path, gid_t gid, const char *user)
{
	const struct addition addition = { path, gid, user };
	autofclose FILE *in = fopen(path, "re");

	if (!in)
		return -errno;
	return file_replace(path, print, &addition);
}
