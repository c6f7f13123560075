/*
 * A log file that somebody else writes and rotates, line by line: what is new since it was looked
 * at last. It reads as much as it is told to and never waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest piece of a line; with a prefix it stays in one piece in PID 1's log. */
#define FOLLOW_LINE_MAX 960

/**
 * follow_line_fn - One line, or a piece of one that is too long.
 * @line: printable, but for what UTF-8 may hide; a control character is \xNN, a tab a tab
 * @ended: the line ends here
 */
typedef void follow_line_fn(void *context, const char *line, size_t length, bool ended);

struct follow {
	const char *path;
	follow_line_fn *line_fn;
	void *context;
	int fd; /* -1: the file is not there yet */
	off_t offset;
	uint64_t left_out; /* bytes, by follow_skip() */
	unsigned skipping; /* bytes in which a line's beginning is looked for */
	bool broken;	   /* what is in line[] goes on a piece that was handed out */
	size_t length;
	char line[FOLLOW_LINE_MAX + 1];
};

/**
 * follow_init() - Begin at the end of what is there; a file that is made later counts as a whole.
 * @path: not copied
 */
void follow_init(struct follow *follow, const char *path, follow_line_fn *line_fn, void *context);

/**
 * follow_read() - Hand out what is new, at most @limit bytes of the file, up to 4096.
 *
 * A file that was renamed to PATH.0, PATH.1 and so on is read to its end before the next one. One
 * that has become shorter is read from its beginning. Return: bytes read; 0: there are no more.
 */
size_t follow_read(struct follow *follow, size_t limit);

/**
 * follow_skip() - Go on so near to the end that at most @keep bytes are left, at the beginning of
 * a line. What is left out is counted.
 */
void follow_skip(struct follow *follow, uint64_t keep);

/** follow_flush() - What has no line break is a line. */
void follow_flush(struct follow *follow);

void follow_clear(struct follow *follow);
