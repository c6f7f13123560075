/*
 * fsync, then a rename that refuses to replace unless that is asked for, then fsync of the
 * directory: after a power cut there is the whole file or none. Where renameat2(2) cannot refuse
 * (some network file systems), link(2) can.
 */
#include "lib/publish.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SUFFIX ".casement-new-"
#define OLD_SECONDS 600

/** split() - The directory of an absolute @path, and the last part of it. */
static int split(const char *path, char **ret_directory, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == path ? 1 : (size_t)(slash - path);

	*ret_directory = strndup(path, length);
	*ret_name = slash + 1;
	return *ret_directory ? 0 : -ENOMEM;
}

/** sweep() - Remove old temporary files of @name; what cannot be removed does no harm. */
static void sweep(const char *directory, const char *name)
{
	autoclosedir DIR *dir = opendir(directory);
	size_t length = strlen(name);
	time_t now = time(NULL);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat status;

		if (entry->d_name[0] != '.' || strncmp(entry->d_name + 1, name, length) != 0 ||
		    strncmp(entry->d_name + 1 + length, SUFFIX, strlen(SUFFIX)) != 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode) && now - status.st_mtime > OLD_SECONDS)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

int publish_temporary(const char *path, char **ret_name)
{
	autofree char *directory = NULL;
	char *temporary;
	const char *name;
	int fd, result = split(path, &directory, &name);

	if (result)
		return result;
	sweep(directory, name);
	if (asprintf(&temporary, "%s/.%s" SUFFIX "XXXXXX", directory, name) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		result = -errno;
		free(temporary);
		return result;
	}
	close(fd);
	*ret_name = temporary;
	return 0;
}

static int sync_path(const char *path, int flags)
{
	autoclose int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

/** name_it() - Give the file its name if that is free. */
static int name_it(const char *temporary, const char *path)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(temporary, path))
		return -errno;
	unlink(temporary);
	return 0;
}

static int replace(const char *temporary, const char *path)
{
	return rename(temporary, path) ? -errno : 0;
}

/** finish() - Sync, give the name, sync the directory. */
static int finish(const char *temporary, const char *path, bool over)
{
	autofree char *directory = NULL;
	const char *name;
	int result = split(path, &directory, &name);

	if (result == 0)
		result = sync_path(temporary, O_RDONLY);
	if (result == 0)
		result = over ? replace(temporary, path) : name_it(temporary, path);
	if (result == 0)
		return sync_path(directory, O_RDONLY | O_DIRECTORY);
	unlink(temporary);
	return result;
}

int publish(const char *temporary, const char *path)
{
	return finish(temporary, path, false);
}

int publish_over(const char *temporary, const char *path)
{
	return finish(temporary, path, true);
}
