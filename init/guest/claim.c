/*
 * The lock is of the open file description (F_OFD_SETLK): other than one of a process it does not
 * end when somebody closes the file.
 */
#include "init/guest/claim.h"

#include "lib/util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

/** read_holder() - What the file says, if it is the name of a host. */
static void read_holder(int fd, char ret_holder[static CLAIM_HOLDER_SIZE])
{
	char text[CLAIM_HOLDER_SIZE];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	size_t length = 0;

	ret_holder[0] = '\0';
	while (n > 0 && length < (size_t)n && text[length] != '\n') {
		if (!isalnum((unsigned char)text[length]) && !strchr("-._", text[length]))
			return;
		length++;
	}
	memcpy(ret_holder, text, length);
	ret_holder[length] = '\0';
}

/** write_holder() - For people. On a full file system it stays away. */
static void write_holder(int fd)
{
	char name[CLAIM_HOLDER_SIZE] = "", text[CLAIM_HOLDER_SIZE + 1];
	int n;

	if (gethostname(name, sizeof(name) - 1) || ftruncate(fd, 0))
		return;
	n = snprintf(text, sizeof(text), "%s\n", name);
	if (pwrite(fd, text, (size_t)n, 0) < 0)
		return;
}

int claim_take(const char *path, struct claim *claim, char ret_holder[static CLAIM_HOLDER_SIZE])
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd =
		open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);

	ret_holder[0] = '\0';
	if (fd < 0)
		return -errno;
	read_holder(fd, ret_holder);
	if (fcntl(fd, F_OFD_SETLK, &lock))
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	write_holder(fd);
	*claim = (struct claim){ .held = true, .fd = take_fd(&fd) };
	return 0;
}

void claim_drop(struct claim *claim)
{
	if (claim->held)
		close(claim->fd);
	claim->held = false;
}
