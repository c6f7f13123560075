/*
 * What was downloaded so far: a hidden file beside the output, and a note of what it is a part of.
 * Both stay when a download ends early, so that the next one goes on; both go when the image is
 * made.
 */
#pragma once

#include "image/checksum.h"
#include "image/http.h"

struct part {
	const char *output;
	char *path, *note;		/* the file and the note */
	const char *name;		/* of the URL */
	char validator[HTTP_FIELD_MAX]; /* of the file that this is a part of; empty: none */
	uint64_t have, total;		/* bytes; total 0: not known */
	int fd;
	struct checksum *checksum; /* not owned; NULL: none */
	struct job *job;
};

/**
 * part_open() - Go on with what is there, or begin.
 * @output: the image that will be made; absolute
 * @name: of the URL; a part of another one is thrown away
 * @checksum: is fed with what is there and with what comes; NULL: none
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled.
 */
int part_open(struct job *job, const char *output, const char *name, struct checksum *checksum,
	      struct part *ret_part);

/** part_complete() - Is all of it there, as far as is known? */
bool part_complete(const struct part *part);

/** part_begin() - A reply comes: the rest, or all of it. A begin of struct http_sink. */
int part_begin(void *part, const struct http_reply *reply);

/** part_take() - A take of struct http_sink. */
int part_take(void *part, const void *bytes, size_t n);

/** part_restart() - As if nothing were there. */
int part_restart(struct part *part);

/** part_close() - @keep: for the next time; an empty one is not worth it. */
void part_close(struct part *part, bool keep);
