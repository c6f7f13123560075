/* Asked with a lock of an open file description: one of flock(2) would not see QEMU's kind. */
#include "lib/image_lock.h"

#include "lib/util.h"

#include <fcntl.h>

/*
 * QEMU's block/file-posix.c: whoever uses a permission holds a shared lock on the byte
 * RAW_LOCK_PERM_BASE + its number, and BLK_PERM_WRITE is number 1.
 */
#define QEMU_WRITE_BYTE (100 + 1)

bool image_written(const char *path)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_WRITE_BYTE, .l_len = 1
	};
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
