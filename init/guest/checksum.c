#include "init/guest/checksum.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <xxhash.h>

#define CHUNK_SIZE (1U << 20)

static void print_sum(XXH128_hash_t hash, char ret_sum[static CHECKSUM_SIZE])
{
	XXH128_canonical_t bytes;

	XXH128_canonicalFromHash(&bytes, hash);
	for (size_t i = 0; i < sizeof(bytes.digest); i++)
		snprintf(ret_sum + 2 * i, 3, "%02x", bytes.digest[i]);
}

int checksum_file(const char *path, uint64_t *ret_size, char ret_sum[static CHECKSUM_SIZE])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	autofree char *chunk = malloc(CHUNK_SIZE);
	XXH3_state_t *state = XXH3_createState();
	uint64_t size = 0;
	ssize_t n = -1;

	if (!chunk || !state)
		errno = ENOMEM;
	if (fd >= 0 && chunk && state && XXH3_128bits_reset(state) == XXH_OK) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		while ((n = read(fd, chunk, CHUNK_SIZE)) > 0) {
			XXH3_128bits_update(state, chunk, (size_t)n);
			size += (uint64_t)n;
		}
	}
	if (n == 0) {
		*ret_size = size;
		print_sum(XXH3_128bits_digest(state), ret_sum);
	}
	n = n < 0 ? -errno : 0;
	XXH3_freeState(state);
	return (int)n;
}
