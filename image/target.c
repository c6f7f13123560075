/*
 * A hidden file is locked as long as its maker lives, so what is not locked is left over from one
 * that was killed. The lock is an open file description lock on the first byte: qemu-img locks
 * others, and a network file system knows it, too.
 */
#include "image/target.h"

#include "lib/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SUFFIX ".casement-import-"

static const struct flock first_byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

/** directory_of() - Of an absolute path; allocated. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int out_of_memory(struct failure *failure)
{
	return failure_set(failure, EXIT_UNAVAILABLE, -ENOMEM, "out of memory");
}

/** is_left_over() - Is it a file, and can it be locked? */
static bool is_left_over(int directory, const char *name)
{
	autoclose int fd = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct flock lock = first_byte;
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

void target_sweep(const char *path)
{
	autofree char *directory = directory_of(path);
	autoclosedir DIR *dir = directory ? opendir(directory) : NULL;
	const char *name = strrchr(path, '/') + 1;
	size_t length = strlen(name);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' && strncmp(entry->d_name + 1, name, length) == 0 &&
		    strncmp(entry->d_name + 1 + length, SUFFIX, strlen(SUFFIX)) == 0 &&
		    is_left_over(dirfd(dir), entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

int target_free(const char *path, struct failure *failure)
{
	autofree char *directory = directory_of(path);
	struct stat status;

	if (!directory)
		return out_of_memory(failure);
	if (lstat(path, &status) == 0)
		return failure_set(failure, EXIT_CONFIG, -EEXIST,
				   "%s: exists already, and nothing is ever overwritten: remove "
				   "it, or choose another place with --output",
				   path);
	if (errno == ENOENT && stat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
	    strrchr(path, '/')[1])
		return 0;
	return failure_set(failure, EXIT_CONFIG, -ENOTDIR,
			   "%s: no file can be made there: the directory does not exist, or is "
			   "none",
			   path);
}

/**
 * make_locked() - Make a file after the template @name.
 *
 * Another casement-image may take it for a leftover before it is locked; then it is made again.
 * Where locks do not work at all nobody takes it for one.
 *
 * Return: the descriptor, or -errno.
 */
static int make_locked(char *name)
{
	size_t length = strlen(name);
	struct flock lock = first_byte;

	for (;;) {
		struct stat status;
		int fd = mkostemp(name, O_CLOEXEC);
		bool lost;

		if (fd < 0)
			return -errno;
		lost = fcntl(fd, F_OFD_SETLK, &lock) && (errno == EAGAIN || errno == EACCES);
		if (!lost && fstat(fd, &status) == 0 && status.st_nlink > 0)
			return fd;
		unlink(name);
		close(fd);
		memset(name + length - 6, 'X', 6);
	}
}

int target_open(const char *path, mode_t mode, struct target *ret_target, struct failure *failure)
{
	struct target target = { .fd = -1, .mode = mode, .path = strdup(path) };
	autofree char *directory = directory_of(path);

	if (!target.path || !directory ||
	    asprintf(&target.temporary, "%s/.%s" SUFFIX "XXXXXX", directory[1] ? directory : "",
		     strrchr(path, '/') + 1) < 0) {
		free(target.path);
		return out_of_memory(failure);
	}
	target.fd = make_locked(target.temporary);
	if (target.fd < 0) {
		free(target.temporary);
		free(target.path);
		return failure_set(failure, EXIT_UNAVAILABLE, target.fd,
				   "%s: no file can be made beside it: %s", path,
				   strerror(-target.fd));
	}
	*ret_target = target;
	return 0;
}

int target_room(const char *path, uint64_t bytes, const char *source, struct failure *failure)
{
	autofree char *directory = directory_of(path);
	struct statvfs fs;
	uint64_t room;

	if (!directory || statvfs(directory, &fs))
		return 0; /* writing will tell */
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes <= room)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE, -ENOSPC,
			   "%s: needs %" PRIu64 " MiB in %s, which has %" PRIu64
			   " MiB left: make room, or choose another place with --output",
			   source, (bytes + (1 << 20) - 1) >> 20, directory, room >> 20);
}

int target_publish(struct target *target, struct failure *failure)
{
	int result = 0;

	if (fchmod(target->fd, target->mode))
		result = -errno;
	if (result == 0)
		result = publish(target->temporary, target->path);
	if (result == -EEXIST)
		failure_set(failure, EXIT_CONFIG, result,
			    "%s: somebody else has made it meanwhile: it stays as it is",
			    target->path);
	else if (result)
		failure_set(failure, EXIT_UNAVAILABLE, result, "%s: cannot be finished: %s",
			    target->path, strerror(-result));
	target_discard(target);
	return result;
}

void target_discard(struct target *target)
{
	/* After target_publish() this name is gone. */
	unlink(target->temporary);
	close(target->fd);
	free(target->temporary);
	free(target->path);
}
