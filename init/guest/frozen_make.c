/*
 * Making a frozen guest. The directory is filled under a temporary name, synced, renamed, and then
 * the link is replaced: whatever dies in between leaves a remainder that nobody reads.
 */
#include "init/guest/frozen_parts.h"

#include "init/guest/base.h"
#include "init/guest/checksum.h"
#include "init/guest/command.h"
#include "init/guest/tree.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define NEW_SUFFIX ".new"
#define QEMU_IMG "/usr/bin/qemu-img"
/* A large disk on slow storage. */
#define COPY_TIMEOUT_MS 3600000

/** number_of() - N of a "NAME.frozen-N"; 0: it is none. @ret_new: whether ".new" follows. */
static unsigned number_of(const char *entry, const char *name, bool *ret_new)
{
	size_t length = strlen(name);
	unsigned number;
	int end = 0;

	if (strncmp(entry, name, length) != 0 ||
	    sscanf(entry + length, FROZEN_SUFFIX "-%u%n", &number, &end) != 1)
		return 0;
	*ret_new = streq(entry + length + end, NEW_SUFFIX);
	return *ret_new || !entry[length + (size_t)end] ? number : 0;
}

/** next_number() - For a new one in @directory; what never was finished is removed. */
static unsigned next_number(const char *directory, const char *name)
{
	autoclosedir DIR *dir = opendir(directory);
	const struct dirent *entry;
	unsigned last = 0;

	while (dir && (entry = readdir(dir))) {
		autofree char *path = NULL;
		bool new = false;
		unsigned number = number_of(entry->d_name, name, &new);

		if (new &&number)
			path = frozen_join(directory, entry->d_name);
		if (path)
			tree_remove(path);
		else if (number > last)
			last = number;
	}
	return last + 1;
}

char *frozen_unfinished(const char *base)
{
	const char *name = strrchr(base, '/') + 1;
	autofree char *parent = strndup(base, (size_t)(name - base));
	autoclosedir DIR *dir = parent ? opendir(parent) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		bool new = false;

		if (number_of(entry->d_name, name, &new) && new)
			return frozen_join(parent, entry->d_name);
	}
	return NULL;
}

int frozen_begin(const char *base, struct frozen *ret_frozen, size_t size, char *ret_reason)
{
	const char *name = strrchr(base, '/') + 1;
	autofree char *parent = strndup(base, (size_t)(name - base)), *directory = NULL;

	if (!parent || asprintf(&directory, "%s" FROZEN_SUFFIX "-%u" NEW_SUFFIX, base,
				next_number(parent, name)) < 0) {
		directory = NULL;
		snprintf(ret_reason, size, "out of memory");
		return -ENOMEM;
	}
	if (mkdir(directory, 0755)) {
		snprintf(ret_reason, size, "%s cannot be made: %s", directory, strerror(errno));
		return -errno;
	}
	if (frozen_open(directory, ret_frozen)) {
		rmdir(directory);
		snprintf(ret_reason, size, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

/** mount_of() - The number of the mount that a file is on; 0: the kernel does not say. */
static uint64_t mount_of(const char *path)
{
	struct statx status;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &status) || !(status.stx_mask & STATX_MNT_ID))
		return 0;
	return status.stx_mnt_id;
}

/**
 * is_in_image() - Are all images below the disk where the frozen guest will be, beside @base and on
 * no mount of their own, which this container has and a clone need not have?
 */
static bool is_in_image(const struct disk *disk, const char *base, const char *directory)
{
	size_t length = (size_t)(strrchr(base, '/') + 1 - base);

	for (size_t i = 1; i < disk->n; i++) {
		if (strncmp(disk->links[i].path, base, length) != 0 ||
		    mount_of(disk->links[i].path) != mount_of(directory))
			return false;
	}
	return disk->n > 1;
}

/** format_word() - For an argument vector. */
static char *format_word(enum image_format format)
{
	static char qcow2[] = "qcow2", raw[] = "raw";

	return format == IMAGE_QCOW2 ? qcow2 : raw;
}

/**
 * seal_disk() - A copy of the disk's own clusters, without holes; those of the image stay below it.
 */
static int seal_disk(const struct frozen *frozen, const char *base, const struct disk *disk,
		     size_t size, char *ret_reason)
{
	const struct disk_link *top = &disk->links[0], *below = &disk->links[1];
	bool layer = is_in_image(disk, base, frozen->directory);
	char *whole[] = { (char[]){ QEMU_IMG },
			  (char[]){ "convert" },
			  (char[]){ "-f" },
			  format_word(top->format),
			  (char[]){ "-O" },
			  (char[]){ "qcow2" },
			  top->path,
			  frozen->disk,
			  NULL };
	char *overlay[] = { (char[]){ QEMU_IMG },
			    (char[]){ "convert" },
			    (char[]){ "-f" },
			    format_word(top->format),
			    (char[]){ "-O" },
			    (char[]){ "qcow2" },
			    (char[]){ "-B" },
			    below->path,
			    (char[]){ "-F" },
			    format_word(below->format),
			    top->path,
			    frozen->disk,
			    NULL };
	char output[256];
	int result = command_run(layer ? overlay : whole, COPY_TIMEOUT_MS, sizeof(output), output);

	if (result)
		snprintf(ret_reason, size, "%s cannot be copied to %s: %s", top->path, frozen->disk,
			 output[0] ? output : strerror(-result));
	return result;
}

/** write_manifest() - Of what is there now. Return: 0 or -errno. */
static int write_manifest(const struct frozen *frozen, const char *uuid,
			  const struct frozen_facts *facts)
{
	struct disk_link disk = { .path = frozen->disk };
	char sum[CHECKSUM_SIZE], text[FROZEN_MANIFEST_MAX];
	struct stat status;
	uint64_t mark = 0, state_size;
	autofclose FILE *file = NULL;
	int result = checksum_file(frozen->state, &state_size, sum);

	if (result == 0 && stat(frozen->disk, &status))
		result = -errno;
	disk.size = result ? 0 : (uint64_t)status.st_size;
	if (result == 0)
		result = base_digest(&disk, &mark);
	if (result)
		return result;
	frozen_print_facts(facts, sizeof(text), text);
	file = fopen(frozen->manifest, "wxe");
	if (!file)
		return -errno;
	if (fprintf(file,
		    FROZEN_HEAD "uuid %s\ndisk %" PRIu64 " %016" PRIx64 "\nstate %" PRIu64
				" %s\n%s",
		    uuid, disk.size, mark, state_size, sum, text) < 0 ||
	    fflush(file))
		return -errno;
	return 0;
}

int frozen_seal(const struct frozen *frozen, const char *base, const struct storage *storage,
		const struct frozen_facts *facts, size_t size, char *ret_reason)
{
	autoclose int fd = open(frozen->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = seal_disk(frozen, base, &storage->disk, size, ret_reason);

	if (result == 0 && access(storage->nvram, F_OK) == 0)
		result = tree_copy(storage->nvram, frozen->nvram, size, ret_reason);
	if (result == 0 && access(storage->tpm, F_OK) == 0)
		result = tree_copy(storage->tpm, frozen->tpm, size, ret_reason);
	if (result)
		return result;
	result = write_manifest(frozen, storage->identity.uuid, facts);
	/* Everything at once: files, directories, and the names in them. */
	if (result == 0 && (fd < 0 || syncfs(fd)))
		result = -errno;
	if (result)
		snprintf(ret_reason, size, "%s cannot be completed: %s", frozen->directory,
			 strerror(-result));
	return result;
}

/** replace_link() - Let BASE.frozen lead to @name, in one step. Return: 0 or -errno. */
static int replace_link(const char *base, const char *name)
{
	autofree char *link = NULL, *temporary = NULL;
	int result;

	if (asprintf(&link, "%s" FROZEN_SUFFIX, base) < 0)
		link = NULL;
	if (asprintf(&temporary, "%s" FROZEN_SUFFIX NEW_SUFFIX, base) < 0)
		temporary = NULL;
	if (!link || !temporary)
		return -ENOMEM;
	unlink(temporary);
	if (symlink(name, temporary))
		return -errno;
	if (rename(temporary, link) == 0)
		return 0;
	result = -errno; /* there is a directory of that name, for instance */
	unlink(temporary);
	return result;
}

/** sync_parent() - The directory that @path is in. Return: 0 or -errno. */
static int sync_parent(const char *path)
{
	autofree char *parent = strndup(path, (size_t)(strrchr(path, '/') + 1 - path));
	autoclose int fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) ? -errno : 0;
}

int frozen_publish(struct frozen *frozen, const char *base, size_t size, char *ret_reason)
{
	size_t length = strlen(frozen->directory) - strlen(NEW_SUFFIX);
	autofree char *directory = strndup(frozen->directory, length);
	struct frozen published;
	int result = directory ? frozen_open(directory, &published) : -ENOMEM;

	if (result == 0) {
		if (rename(frozen->directory, directory))
			result = -errno;
		if (result == 0) {
			result = replace_link(base, strrchr(directory, '/') + 1);
			if (result)
				rename(directory, frozen->directory);
		}
		if (result)
			frozen_clear(&published);
	}
	if (result) {
		snprintf(ret_reason, size, "%s cannot be published: %s", frozen->directory,
			 strerror(-result));
		return result;
	}
	frozen_clear(frozen);
	*frozen = published;
	/* It is there; after a power cut the one before may be. */
	sync_parent(directory);
	return 0;
}

void frozen_remove(const struct frozen *frozen)
{
	tree_remove(frozen->directory);
}
