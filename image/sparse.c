#include "image/sparse.h"

#include "lib/util.h"

#include <errno.h>

#define BLOCK 4096 /* of all usual file systems */

static bool is_zero(const uint8_t *bytes, size_t n)
{
	/* Each byte is the one before it, and the first one is 0. */
	return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static int write_all(int fd, const uint8_t *bytes, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t written = pwrite(fd, bytes, n, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		n -= (size_t)written;
		offset += (uint64_t)written;
	}
	return 0;
}

int sparse_write(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const uint8_t *at = bytes, *begin = bytes;
	const uint8_t *end = at + n;
	int result = 0;

	/* [begin, at) is to be written. */
	while (result == 0 && at < end) {
		size_t step = BLOCK - (offset + (size_t)(at - (const uint8_t *)bytes)) % BLOCK;

		if (step > (size_t)(end - at))
			step = (size_t)(end - at);
		if (is_zero(at, step)) {
			result = write_all(fd, begin, (size_t)(at - begin),
					   offset + (size_t)(begin - (const uint8_t *)bytes));
			begin = at + step;
		}
		at += step;
	}
	if (result == 0)
		result = write_all(fd, begin, (size_t)(end - begin),
				   offset + (size_t)(begin - (const uint8_t *)bytes));
	return result;
}
