/*
 * In this order: the disk if it exists; else a clone of a frozen guest, an overlay on that one's
 * disk; else an overlay on the base if that exists; else an error that says what to mount. Then
 * what is kept beside it: the record of its base, its identity.
 */
#include "init/guest/storage.h"

#include "init/guest/base.h"
#include "init/guest/frozen.h"
#include "init/guest/overlay.h"
#include "init/guest/state.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/stat.h>

/* Where the state of a guest goes whose disk is a block device: there is no room beside that. */
#define STORAGE_DIRECTORY "/storage"

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

const char *storage_key(const struct guest_config *config)
{
	return config->in_place ? "source" : "disk";
}

/** name_files() - Fill in the paths beside the disk. @ret_identity, @ret_base: allocated. */
static int name_files(const struct guest_config *config, bool block, struct storage *storage,
		      char **ret_identity, char **ret_base)
{
	const char *slash = strrchr(config->disk, '/');
	int length = (int)(slash - config->disk);
	const char *directory = config->disk;

	if (block) {
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

/** explain_no_disk() - There is nothing that a disk could be made from. */
static int explain_no_disk(const struct guest_config *config, struct failure *failure)
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

/** adopt() - Let the disk go on from the state of the guest that was frozen; else it boots. */
static void adopt(const char *disk, const char *temporary, const char *frozen)
{
	struct state state;
	int result = state_init(&state, disk);

	if (result == 0) {
		result = state_adopt(&state, frozen, disk, temporary);
		state_clear(&state);
	}
	if (result)
		log_warning("the state in %s is not used: %s; the guest boots from its disk",
			    frozen, strerror(-result));
}

/**
 * overlay() - Make the disk, an overlay on @base.
 * @frozen: of a clone: the directory of the frozen guest that it goes on from, or NULL
 *
 * What a clone goes on from is there before its disk is: where there is a disk, nothing is missing.
 */
static int overlay(const struct guest_config *config, const struct disk *base, const char *frozen,
		   struct failure *failure)
{
	autofree char *temporary = NULL;
	int64_t begin = now_ms();
	int result;

	forget_base(config->disk);
	result = overlay_begin(config->disk, base, &temporary, failure);
	if (result == 0 && frozen)
		adopt(config->disk, temporary, frozen);
	if (result == 0)
		result = overlay_publish(temporary, config->disk, base, failure);
	if (result == 0)
		log_info("the disk %s is made, in %lld ms", config->disk,
			 (long long)(now_ms() - begin));
	return result;
}

/** make_clone() - Make the disk and what belongs to it from a frozen guest. The disk comes last:
 * where there is one nothing is made. */
static int make_clone(const struct guest_config *config, const struct frozen *frozen,
		      const char *identity, struct storage *storage, struct failure *failure)
{
	autofree char *old = NULL;
	char uuid[IDENTITY_UUID_SIZE];
	struct disk base;
	int result = disk_open(frozen->disk, "base", false, &base, failure);

	if (result == -ENOENT)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s, the disk of the guest that was frozen in this image, does "
				   "not exist: freeze again, or name another [guest] base",
				   frozen->disk);
	if (result)
		return result;
	result = frozen_check_disk(frozen, &base, uuid, failure);
	if (result == 0)
		result = frozen_unpack(frozen, storage, failure);
	/* That of a guest before this one: it was another machine. */
	if (result == 0 && asprintf(&old, "%s.old", identity) >= 0)
		rename(identity, old);
	if (result == 0)
		result = identity_clone(identity, uuid, failure);
	if (result == 0)
		result = overlay(config, &base, frozen->directory, failure);
	disk_clear(&base);
	return result;
}

/** make_disk() - From a frozen guest if there is one, else on the base. */
static int make_disk(const struct guest_config *config, const char *identity,
		     struct storage *storage, struct failure *failure)
{
	struct frozen frozen;
	struct disk base;
	int result;

	if (config->in_place)
		return failure_set(failure, EXIT_CONFIG, -ENOENT,
				   "the disk %s ([guest] source) does not exist, and with [guest] "
				   "in-place none is made: mount the directory that has it",
				   config->disk);
	result = frozen_find(config->base, &frozen, failure);
	if (result == 0) {
		result = make_clone(config, &frozen, identity, storage, failure);
		frozen_clear(&frozen);
		return result;
	}
	if (result != -ENOENT)
		return result;
	result = disk_open(config->base, "base", false, &base, failure);
	if (result == -ENOENT)
		return explain_no_disk(config, failure);
	if (result)
		return result;
	result = overlay(config, &base, NULL, failure);
	disk_clear(&base);
	return result;
}

/** find_disk() - Open the disk, after making it if need be, and name what is beside it. */
static int find_disk(const struct guest_config *config, struct storage *storage,
		     char **ret_identity, char **ret_base, struct failure *failure)
{
	int result = disk_open(config->disk, storage_key(config), true, &storage->disk, failure);
	bool missing = result == -ENOENT;

	if (result && !missing)
		return result;
	if (name_files(config, !missing && storage->disk.links[0].block, storage, ret_identity,
		       ret_base))
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	if (!missing)
		return 0;
	result = make_disk(config, *ret_identity, storage, failure);
	if (result)
		return result;
	result = disk_open(config->disk, "disk", true, &storage->disk, failure);
	if (result == -ENOENT)
		failure_set(failure, EXIT_CONFIG, result, "the disk %s was made and has vanished",
			    config->disk);
	return result;
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
	int result = find_disk(config, &storage, &identity, &base, failure);

	if (result == 0)
		result = base_check(base, &storage.disk, failure);
	if (result == 0)
		result = identity_load(identity, storage.disk.links[0].format, &storage.identity,
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
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
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
	struct frozen frozen = { .directory = NULL };
	int result = disk_open(config->disk, "disk", true, ret_disk, failure);

	if (result != -ENOENT)
		return result;
	result = frozen_find(config->base, &frozen, failure);
	if (result && result != -ENOENT)
		return result;
	result = disk_open(result ? config->base : frozen.disk, "base", false, ret_disk, failure);
	frozen_clear(&frozen);
	if (result == 0) {
		log_warning("the disk %s is not there yet: it would become an overlay on %s",
			    config->disk, ret_disk->links[0].path);
		return put_on_top(config->disk, ret_disk, failure);
	}
	if (result != -ENOENT)
		return result;
	if (!config->source && !config->iso)
		return explain_no_disk(config, failure);
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
	if (name_files(config, ret_storage->disk.links[0].block, ret_storage, &identity, &base))
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	if (access(identity, F_OK) == 0)
		return identity_load(identity, ret_storage->disk.links[0].format,
				     &ret_storage->identity, failure);
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
