/*
 * virtlogd writes to PATH. When that is full it renames PATH.1 to PATH.2, PATH.0 to PATH.1 and PATH
 * to PATH.0, and makes PATH anew. The file that is being read is known by its descriptor; which one
 * comes next is seen when its end is reached, by the name that it has then.
 */
#include "init/guest/follow.h"

#include "lib/util.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define READ_MAX ((size_t)4096)
/* More generations than anybody keeps. */
#define GENERATIONS_MAX 16

/** open_file() - O_NONBLOCK: whatever is in its place is not waited for. */
static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

void follow_init(struct follow *follow, const char *path, follow_line_fn *line_fn, void *context)
{
	struct stat status;

	*follow = (struct follow){
		.path = path, .line_fn = line_fn, .context = context, .fd = open_file(path)
	};
	if (follow->fd >= 0 && fstat(follow->fd, &status) == 0)
		follow->offset = status.st_size;
}

/** hand_out() - What is in the buffer. */
static void hand_out(struct follow *follow, bool ended)
{
	/* The end of a line that was handed out up to here is an end; an empty line is nothing. */
	if (follow->length || (ended && follow->broken)) {
		follow->line[follow->length] = '\0';
		follow->line_fn(follow->context, follow->line, follow->length, ended);
	}
	follow->broken = !ended;
	follow->length = 0;
}

/** room_for() - Bytes that this one needs, those that follow it in UTF-8 included. */
static size_t room_for(unsigned char byte, bool control)
{
	if (control)
		return 4;
	return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
}

static void take_byte(struct follow *follow, unsigned char byte)
{
	bool control = (byte < ' ' && byte != '\t') || byte == 0x7f;

	/* Terminals go back to the line's beginning as often as on to the next. */
	if (byte == '\n' || byte == '\r') {
		hand_out(follow, true);
		return;
	}
	if (follow->length + room_for(byte, control) > FOLLOW_LINE_MAX)
		hand_out(follow, false);
	if (control)
		follow->length +=
			(size_t)snprintf(follow->line + follow->length, 5, "\\x%02x", byte);
	else
		follow->line[follow->length++] = (char)byte;
}

/** take() - Bytes of the file. After a skip a line begins behind the next line break. */
static void take(struct follow *follow, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!follow->skipping) {
			take_byte(follow, (unsigned char)bytes[i]);
			continue;
		}
		follow->left_out++;
		follow->skipping = bytes[i] == '\n' ? 0 : follow->skipping - 1;
	}
}

/** remaining() - How much of the open file is unread. */
static uint64_t remaining(struct follow *follow)
{
	struct stat status;

	if (follow->fd < 0 || fstat(follow->fd, &status))
		return 0;
	/* Somebody has emptied it. */
	if (status.st_size < follow->offset)
		follow->offset = 0;
	return (uint64_t)(status.st_size - follow->offset);
}

/** generation() - The path of an older file, or for 0 the path itself. */
static void generation(const struct follow *follow, int number, char ret_path[static PATH_MAX])
{
	if (number == 0)
		snprintf(ret_path, PATH_MAX, "%s", follow->path);
	else
		snprintf(ret_path, PATH_MAX, "%s.%d", follow->path, number - 1);
}

/**
 * find_generation() - Which one is the open file? Return: 0 for the path itself; -1: none, so the
 * next one is the oldest there is.
 */
static int find_generation(const struct follow *follow, int *ret_oldest)
{
	struct stat mine, status;
	char path[PATH_MAX];

	*ret_oldest = 0;
	if (fstat(follow->fd, &mine))
		return -1;
	for (int i = 0; i < GENERATIONS_MAX; i++) {
		generation(follow, i, path);
		if (stat(path, &status))
			continue;
		if (status.st_ino == mine.st_ino && status.st_dev == mine.st_dev)
			return i;
		*ret_oldest = i;
	}
	return -1;
}

/** next_generation() - The oldest that is newer than the open file; -1: that is the newest. */
static int next_generation(const struct follow *follow)
{
	int oldest, now;

	/* Of a file that has just come into being there are no older ones. */
	if (follow->fd < 0)
		return 0;
	now = find_generation(follow, &oldest);
	return now < 0 ? oldest : now - 1;
}

/** go_on() - To the file after this one. Return: whether there is one. */
static bool go_on(struct follow *follow)
{
	char path[PATH_MAX];
	int next = -1;

	for (int i = next_generation(follow); i >= 0 && next < 0; i--) {
		generation(follow, i, path);
		next = open_file(path);
	}
	if (next < 0)
		return false;
	/* Whoever renamed it may have written to it just before. */
	if (remaining(follow)) {
		close(next);
		return true;
	}
	if (follow->fd >= 0)
		close(follow->fd);
	follow->fd = next;
	follow->offset = 0;
	return true;
}

size_t follow_read(struct follow *follow, size_t limit)
{
	char bytes[READ_MAX];
	ssize_t n;

	/* An empty file is no end: more may follow it. */
	for (int i = 0; !remaining(follow); i++) {
		if (i == GENERATIONS_MAX || !go_on(follow))
			return 0;
	}
	n = pread(follow->fd, bytes, limit < READ_MAX ? limit : READ_MAX, follow->offset);
	if (n <= 0)
		return 0;
	follow->offset += n;
	take(follow, bytes, (size_t)n);
	return (size_t)n;
}

/** behind() - How much is unread, in this file and the newer ones. */
static uint64_t behind(struct follow *follow)
{
	uint64_t sum = remaining(follow);
	struct stat status;
	char path[PATH_MAX];

	for (int i = next_generation(follow); i >= 0; i--) {
		generation(follow, i, path);
		if (stat(path, &status) == 0)
			sum += (uint64_t)status.st_size;
	}
	return sum;
}

void follow_skip(struct follow *follow, uint64_t keep)
{
	uint64_t unread = behind(follow), excess;

	if (unread <= keep)
		return;
	excess = unread - keep;
	follow->left_out += excess;
	while (excess) {
		uint64_t here = remaining(follow), step = here < excess ? here : excess;

		follow->offset += (off_t)step;
		excess -= step;
		if (excess && !go_on(follow))
			break;
	}
	follow->left_out -= excess;
	/* The line that was begun has lost its end, and the next one its beginning. */
	hand_out(follow, true);
	follow->skipping = FOLLOW_LINE_MAX;
}

void follow_flush(struct follow *follow)
{
	hand_out(follow, true);
}

void follow_clear(struct follow *follow)
{
	if (follow->fd >= 0)
		close(follow->fd);
	*follow = (struct follow){ .fd = -1 };
}
