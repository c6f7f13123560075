/* The bytes of a file, unpacked if it is compressed with gzip. */
#pragma once

#include "image/job.h"

#include <sys/types.h>
#include <zlib.h>

#define STREAM_BUFFER (256 << 10)

struct stream {
	struct job *job;
	int fd;
	bool gzip;
	bool between; /* at the end of a gzip member: the file may end here */
	z_stream z;
	uint64_t taken; /* bytes of the file so far */
	int error;	/* why the last stream_read() failed */
	uint8_t *in, *out;
};

/** stream_open() - Read @fd from its beginning. Return: 0 or -ENOMEM. */
int stream_open(struct stream *stream, struct job *job, int fd, bool gzip);

/**
 * stream_read() - The next bytes.
 *
 * Return: how many, 0 at the end, -ENODATA when the file ends too early, -EBADMSG when it is
 * damaged (gzip has a checksum), JOB_STOPPED, or -errno.
 */
ssize_t stream_read(struct stream *stream, const void **ret_bytes);

void stream_close(struct stream *stream);
