/*
 * In this order: the disk if it exists; else an overlay on the base if that exists; else an error
 * that says what to mount. Then what is kept beside it: the record of its base, its identity.
 */
#include "init/guest/storage.h"

#include "init/guest/base.h"
#include "init/guest/overlay.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/stat.h>

/* Where the state of a guest goes whose disk is a block device: there is no room beside that. */
#define STORAGE_DIRECTORY "/storage"

static int out_of_memory(struct failure *failure)
{
	return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
}

/**
 * forget_base() - Remove the record that a disk left which is gone. What cannot be removed is found
 * to be wrong later, and named.
 */
static void forget_base(const char *disk)
{
	const char *slash = strrchr(disk, '/');
	autofree char *record = base_record_path(disk, (int)(slash - disk), slash);

	if (record)
		unlink(record);
}

/** no_disk() - There is neither a disk nor a base. */
static int no_disk(const struct guest_config *config, struct failure *failure)
{
	const char *name = strrchr(config->disk, '/') + 1;

	/* The directory, not the file: what is kept beside the disk belongs on the volume, too. */
	return failure_set(failure, EXIT_CONFIG, -ENOENT,
			   "there is no disk for the guest: neither %s ([guest] disk) nor a base "
			   "image %s ([guest] base) exists; mount the directory that has your %s "
			   "with -v /path:%.*s, or put a base into the image as %s",
			   config->disk, config->base, name, (int)(name - 1 - config->disk),
			   config->disk, config->base);
}

const char *storage_key(const struct guest_config *config)
{
	return config->in_place ? "source" : "disk";
}

/** find_disk() - Open the disk, after making it if need be. */
static int find_disk(const struct guest_config *config, struct disk *ret_disk,
		     struct failure *failure)
{
	struct disk base;
	int64_t begin;
	int result = disk_open(config->disk, storage_key(config), true, ret_disk, failure);

	if (result != -ENOENT)
		return result;
	if (config->in_place)
		return failure_set(failure, EXIT_CONFIG, result,
				   "the disk %s ([guest] source) does not exist, and with [guest] "
				   "in-place none is made: mount the directory that has it",
				   config->disk);
	result = disk_open(config->base, "base", false, &base, failure);
	if (result == -ENOENT)
		return no_disk(config, failure);
	if (result)
		return result;
	forget_base(config->disk);
	begin = now_ms();
	result = overlay_create(config->disk, &base, failure);
	if (result == 0)
		log_info("the disk %s is made, in %lld ms", config->disk,
			 (long long)(now_ms() - begin));
	disk_clear(&base);
	if (result)
		return result;
	result = disk_open(config->disk, "disk", true, ret_disk, failure);
	if (result == -ENOENT)
		failure_set(failure, EXIT_CONFIG, result, "the disk %s was made and has vanished",
			    config->disk);
	return result;
}

/** name_files() - Fill in the paths beside the disk. @ret_identity, @ret_base: allocated. */
static int name_files(const struct guest_config *config, struct storage *storage,
		      char **ret_identity, char **ret_base)
{
	const char *slash = strrchr(config->disk, '/');
	int length = (int)(slash - config->disk);
	const char *directory = config->disk;

	if (storage->disk.links[0].block) {
		directory = STORAGE_DIRECTORY;
		length = sizeof(STORAGE_DIRECTORY) - 1;
	}
	if (asprintf(ret_identity, "%.*s%s.uuid", length, directory, slash) < 0) {
		*ret_identity = NULL;
		return -ENOMEM;
	}
	*ret_base = base_record_path(directory, length, slash);
	if (!*ret_base)
		return -ENOMEM;
	if (asprintf(&storage->nvram, "%.*s/%s_VARS.fd", length, directory, config->name) < 0) {
		storage->nvram = NULL;
		return -ENOMEM;
	}
	if (asprintf(&storage->tpm, "%.*s/%s.tpm", length, directory, config->name) < 0) {
		storage->tpm = NULL;
		return -ENOMEM;
	}
	if (asprintf(&storage->capabilities, "%.*s%s.capabilities", length, directory, slash) < 0) {
		storage->capabilities = NULL;
		return -ENOMEM;
	}
	return 0;
}

int storage_lock_path(const char *disk, char **ret_path)
{
	struct stat status;
	bool block = stat(disk, &status) == 0 && S_ISBLK(status.st_mode);

	if (asprintf(ret_path, "%s%s.lock", block ? STORAGE_DIRECTORY : "",
		     block ? strrchr(disk, '/') : disk) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int storage_prepare(const struct guest_config *config, struct storage *ret_storage,
		    struct failure *failure)
{
	autofree char *identity = NULL, *base = NULL;
	struct storage storage = { .nvram = NULL };
	int result = find_disk(config, &storage.disk, failure);

	if (result)
		return result;
	if (name_files(config, &storage, &identity, &base))
		result = out_of_memory(failure);
	else
		result = base_check(base, &storage.disk, failure);
	if (result == 0)
		result = identity_load(identity, storage.disk.links[0].format, storage.uuid,
				       failure);
	if (result)
		storage_clear(&storage);
	else
		*ret_storage = storage;
	return result;
}

/** put_on_top() - The overlay that @disk's images would be below. */
static int put_on_top(const char *path, struct disk *disk, struct failure *failure)
{
	char *copy = strdup(path);

	if (!copy)
		return out_of_memory(failure);
	if (disk->n == DISK_MAX_LINKS) {
		free(copy);
		return failure_set(failure, EXIT_CONFIG, -ELOOP,
				   "the base image below %s has too many images below it", path);
	}
	memmove(&disk->links[1], &disk->links[0], disk->n * sizeof(disk->links[0]));
	disk->links[0] = (struct disk_link){ .path = copy, .format = IMAGE_QCOW2 };
	disk->n++;
	return 0;
}

/** imagine_disk() - The disk, or what it would be made of. */
static int imagine_disk(const struct guest_config *config, struct disk *ret_disk,
			struct failure *failure)
{
	int result = disk_open(config->disk, "disk", true, ret_disk, failure);

	if (result != -ENOENT)
		return result;
	result = disk_open(config->base, "base", false, ret_disk, failure);
	if (result == 0) {
		log_warning("the disk %s is not there yet: it would become an overlay on %s",
			    config->disk, config->base);
		return put_on_top(config->disk, ret_disk, failure);
	}
	if (result != -ENOENT)
		return result;
	if (!config->source && !config->iso)
		return no_disk(config, failure);
	if (config->iso)
		log_warning("the disk %s is not there yet: it would be blank, to be installed from "
			    "%s",
			    config->disk, config->iso);
	else
		log_warning("the disk %s is not there yet: it would be imported from %s",
			    config->disk, config->source);
	*ret_disk = (struct disk){ .direct = true };
	return put_on_top(config->disk, ret_disk, failure);
}

int storage_imagine(const struct guest_config *config, struct storage *ret_storage,
		    struct failure *failure)
{
	autofree char *identity = NULL, *base = NULL;
	int result = imagine_disk(config, &ret_storage->disk, failure);

	if (result)
		return result;
	if (name_files(config, ret_storage, &identity, &base))
		return out_of_memory(failure);
	if (access(identity, F_OK) == 0)
		return identity_load(identity, ret_storage->disk.links[0].format, ret_storage->uuid,
				     failure);
	log_warning("the guest has no UUID yet: it would get one, in %s", identity);
	return 0;
}

void storage_clear(struct storage *storage)
{
	disk_clear(&storage->disk);
	for (size_t i = 0; i < storage->n_drives; i++)
		disk_clear(&storage->drives[i].disk);
	free(storage->nvram);
	free(storage->tpm);
	free(storage->capabilities);
	*storage = (struct storage){ .nvram = NULL };
}
