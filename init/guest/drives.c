#include "init/guest/drives.h"

#include "init/guest/access.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* ECMA-167 of UDF: the first descriptor, where an ISO 9660 file system has its own. */
#define UDF_OFFSET 0x8001
#define UDF_MAGIC "BEA01"

static bool is_cd(const uint8_t *head, size_t n)
{
	return image_kind(head, n) == IMAGE_KIND_ISO ||
	       (n >= UDF_OFFSET + sizeof(UDF_MAGIC) - 1 &&
		memcmp(head + UDF_OFFSET, UDF_MAGIC, sizeof(UDF_MAGIC) - 1) == 0);
}

/** explain_cd() - Why the CD cannot be opened, and what helps. */
static int explain_cd(const char *path, const char *key, int error, struct failure *failure)
{
	if (error == ENOMEDIUM)
		return failure_set(failure, EXIT_CONFIG, -error,
				   "the CD %s (%s) is an empty drive: put a disc into it", path,
				   key);
	if (error == EACCES || error == EPERM)
		return failure_set(failure, EXIT_CONFIG, -error,
				   "the CD %s (%s) may not be opened for reading: %s; check its "
				   "permissions",
				   path, key, strerror(error));
	return failure_set(failure, EXIT_CONFIG, -error, "the CD %s (%s) cannot be opened: %s",
			   path, key, strerror(error));
}

/** look_at_cd() - Open it and read its beginning. */
static int look_at_cd(const char *path, const char *key, struct stat *ret_status,
		      struct failure *failure)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	autofree uint8_t *head = malloc(IMAGE_HEAD_SIZE);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, ret_status))
		return explain_cd(path, key, errno, failure);
	if (!head)
		return explain_cd(path, key, ENOMEM, failure);
	if (!S_ISREG(ret_status->st_mode) && !S_ISBLK(ret_status->st_mode))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "the CD %s (%s) is neither a file nor a drive", path, key);
	n = pread(fd, head, IMAGE_HEAD_SIZE, 0);
	if (n < 0)
		return explain_cd(path, key, errno, failure);
	if (!is_cd(head, (size_t)n))
		return failure_set(
			failure, EXIT_CONFIG, -EMEDIUMTYPE,
			"the CD %s (%s) is no image of a CD or DVD: it has neither an ISO "
			"9660 nor a UDF file system",
			path, key);
	return 0;
}

int drive_open_cd(const char *path, const char *key, struct drive *ret_drive,
		  struct failure *failure)
{
	struct stat status = { 0 };
	char *copy;
	int result = look_at_cd(path, key, &status, failure);

	if (result)
		return result;
	result = access_as(QEMU_USER, path, ACCESS_READ);
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "the CD %s (%s) cannot be read for the user " QEMU_USER
				   ", whom QEMU runs as: %s; let everybody read it (chmod o+r)",
				   path, key, strerror(-result));
	copy = strdup(path);
	if (!copy)
		return explain_cd(path, key, ENOMEM, failure);
	*ret_drive = (struct drive){ .cdrom = true, .readonly = true };
	ret_drive->disk.n = 1;
	ret_drive->disk.virtual_size = (uint64_t)status.st_size;
	ret_drive->disk.links[0] = (struct disk_link){ .path = copy,
						       .format = IMAGE_RAW,
						       .block = S_ISBLK(status.st_mode),
						       .size = (uint64_t)status.st_size };
	return 0;
}

/** open_device() - What one section names. */
static int open_device(const struct device_config *device, struct drive *ret_drive,
		       struct failure *failure)
{
	bool disk = device->as == DEVICE_DISK;
	int result;

	*ret_drive = (struct drive){ .readonly = device->readonly };
	if (disk)
		result = disk_open_device(device->path, !device->readonly, &ret_drive->disk,
					  failure);
	else
		result = drive_open_cd(device->path, "[device]", ret_drive, failure);
	if (result != -ENOENT)
		return result;
	if (!disk)
		return failure_set(failure, EXIT_CONFIG, result,
				   "the CD %s ([device]) does not exist: mount it with -v, or pass "
				   "the drive with --device",
				   device->path);
	return failure_set(failure, EXIT_CONFIG, result,
			   "the disk %s ([device]) does not exist: mount it with -v, pass it with "
			   "--device, or make one with qemu-img create -f qcow2 %s 100G",
			   device->path, device->path);
}

/** is_same() - Do both paths lead to one file, or to one block device? */
static bool is_same(const char *path, const char *other)
{
	struct stat a, b;

	if (stat(path, &a) || stat(other, &b))
		return false;
	if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode))
		return a.st_rdev == b.st_rdev;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/**
 * find_conflict() - A file that one of the two writes and the other one uses as well.
 *
 * Return: its path as @disk has it, NULL: none.
 */
static const char *find_conflict(const struct disk *disk, bool readonly, const struct disk *other,
				 bool other_readonly)
{
	for (size_t i = 0; i < disk->n; i++) {
		for (size_t k = 0; k < other->n; k++) {
			bool written = (i == 0 && !readonly) || (k == 0 && !other_readonly);

			if (written && is_same(disk->links[i].path, other->links[k].path))
				return disk->links[i].path;
		}
	}
	return NULL;
}

/** check_alone() - The last of the drives against the guest's own disk and those before it. */
static int check_alone(const struct storage *storage, struct failure *failure)
{
	const struct drive *last = &storage->drives[storage->n_drives - 1];
	const struct disk *other = &storage->disk;
	const char *path = find_conflict(&last->disk, last->readonly, other, false);

	for (size_t i = 0; !path && i + 1 < storage->n_drives; i++) {
		other = &storage->drives[i].disk;
		path = find_conflict(&last->disk, last->readonly, other,
				     storage->drives[i].readonly);
	}
	if (!path)
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EEXIST,
			   "the disk %s ([device]) cannot be in the guest twice: %s is used by the "
			   "disk %s as well, and one of them writes to it; remove one of the two",
			   last->disk.links[0].path, path, other->links[0].path);
}

int drives_open(const struct config *config, struct storage *storage, struct failure *failure)
{
	for (size_t i = 0; i < config->n_devices; i++) {
		const struct device_config *device = &config->devices[i];
		int result;

		if (device->as != DEVICE_DISK && device->as != DEVICE_CDROM)
			continue;
		if (storage->n_drives == DRIVES_MAX)
			return failure_set(
				failure, EXIT_CONFIG, -E2BIG,
				"[device %s]: a guest has at most %d disks and CDs beside "
				"its own disk",
				device->path, DRIVES_MAX);
		result = open_device(device, &storage->drives[storage->n_drives], failure);
		if (result)
			return result;
		storage->n_drives++;
		result = check_alone(storage, failure);
		if (result)
			return result;
	}
	return 0;
}
