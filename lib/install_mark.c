#include "lib/install_mark.h"

#include "lib/publish.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/** beside() - The name of a file that goes with @disk; allocated. */
static char *beside(const char *disk, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s%s", disk, suffix) < 0 ? NULL : path;
}

static char *mark_path(const char *disk)
{
	return beside(disk, ".installing");
}

char *install_answers_path(const char *disk)
{
	return beside(disk, ".answers.iso");
}

static int fill(const char *path, ino_t inode)
{
	autofclose FILE *file = fopen(path, "we");

	return file && fprintf(file, "inode %ju\n", (uintmax_t)inode) > 0 && fflush(file) == 0
		       ? 0
		       : -errno;
}

int install_mark_write(const char *disk, ino_t inode)
{
	char *path = mark_path(disk), *temporary = NULL;
	int result = path ? publish_temporary(path, &temporary) : -ENOMEM;

	if (result == 0)
		result = fill(temporary, inode);
	if (result == 0)
		result = publish_over(temporary, path);
	else if (temporary)
		unlink(temporary);
	free(temporary);
	free(path);
	return result;
}

bool install_mark_holds(const char *disk)
{
	autofree char *path = mark_path(disk);
	autofclose FILE *file = path ? fopen(path, "re") : NULL;
	struct stat status;
	uintmax_t inode;

	return file && fscanf(file, "inode %ju", &inode) == 1 && stat(disk, &status) == 0 &&
	       status.st_ino == inode;
}

int install_mark_remove(const char *disk)
{
	autofree char *path = mark_path(disk);

	if (!path)
		return -ENOMEM;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}
