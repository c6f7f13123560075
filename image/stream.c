/*
 * zlib by itself and not by way of libarchive, which does not compare gzip's checksum (3.6): a
 * damaged download would become a Windows with holes.
 */
#include "image/stream.h"

#include <errno.h>
#include <fcntl.h>

#define GZIP_ONLY (15 + 16)

int stream_open(struct stream *stream, struct job *job, int fd, bool gzip)
{
	*stream = (struct stream){ .job = job, .fd = fd, .gzip = gzip };
	stream->in = malloc(STREAM_BUFFER);
	stream->out = malloc(STREAM_BUFFER);
	if (stream->in && stream->out && (!gzip || inflateInit2(&stream->z, GZIP_ONLY) == Z_OK)) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		return 0;
	}
	free(stream->in);
	free(stream->out);
	return -ENOMEM;
}

void stream_close(struct stream *stream)
{
	if (stream->gzip)
		inflateEnd(&stream->z);
	free(stream->in);
	free(stream->out);
}

/** fill() - Read a buffer of the file. Return: as stream_read(). */
static ssize_t fill(struct stream *stream)
{
	ssize_t n;

	if (job_stopped(stream->job))
		return JOB_STOPPED;
	do
		n = pread(stream->fd, stream->in, STREAM_BUFFER, (off_t)stream->taken);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	stream->taken += (uint64_t)n;
	progress_at(&stream->job->progress, stream->taken);
	return n;
}

/** unpack() - Until there is something to give. Return: as stream_read(). */
static ssize_t unpack(struct stream *stream)
{
	z_stream *z = &stream->z;

	z->next_out = stream->out;
	z->avail_out = STREAM_BUFFER;
	while (z->avail_out == STREAM_BUFFER) {
		int result;

		if (z->avail_in == 0) {
			ssize_t n = fill(stream);

			if (n < 0)
				return n;
			if (n == 0)
				return stream->between ? 0 : -ENODATA;
			z->next_in = stream->in;
			z->avail_in = (uInt)n;
		}
		/* Several members one after the other are one; zeros behind the last are padding.
		 */
		if (stream->between && *z->next_in == 0) {
			z->next_in++;
			z->avail_in--;
			continue;
		}
		if (stream->between && inflateReset(z) != Z_OK)
			return -EBADMSG;
		result = inflate(z, Z_NO_FLUSH);
		stream->between = result == Z_STREAM_END;
		if (result == Z_MEM_ERROR)
			return -ENOMEM;
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return -EBADMSG;
	}
	return STREAM_BUFFER - (ssize_t)z->avail_out;
}

ssize_t stream_read(struct stream *stream, const void **ret_bytes)
{
	ssize_t n = stream->gzip ? unpack(stream) : fill(stream);

	stream->error = n < 0 ? (int)n : 0;
	*ret_bytes = stream->gzip ? stream->out : stream->in;
	return n;
}
