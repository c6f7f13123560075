#include "lib/file.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/** fill() - Write everything to the open file @fd, which is consumed. Return: 0 or -errno. */
static int fill(int fd, void (*print)(const void *context, FILE *out), const void *context)
{
	FILE *file = fdopen(fd, "w");
	int r = 0;

	if (!file) {
		r = -errno;
		close(fd);
		return r;
	}
	print(context, file);
	if (fchmod(fd, 0644) < 0)
		r = -errno;
	if (r == 0 && (fflush(file) != 0 || ferror(file)))
		r = errno ? -errno : -EIO;
	if (fclose(file) != 0 && r == 0)
		r = -errno;
	return r;
}

int file_replace(const char *path, void (*print)(const void *context, FILE *out),
		 const void *context)
{
	char temporary[PATH_MAX];
	int length, fd, r;

	length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	if (length < 0 || (size_t)length >= sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fill(fd, print, context);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}
