/*
 * Formats are recognised by their content, never by a name, and qemu-img is told which one it is:
 * one that guesses could be made to open other files by what a guest wrote into its raw disk.
 *
 * For the same reason nothing is imported that names other files: an overlay, or a VMDK that is a
 * list of extents. What /etc/shadow is should not become the content of somebody's disk.
 */
#include "image/source.h"

#include "lib/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SECTOR 512UL
#define MBR_TABLE 446
#define MBR_ENTRY 16UL
#define GPT_OTHER_HEADER 32 /* offset of its sector */
#define VHD_TYPE 60	    /* offset of the type in a VHD's footer, big endian */
#define VHD_DIFFERENCING 4
/* Offsets in a VDI, little endian: where its data begin, how long a block is, how many there are.
 */
#define VDI_DATA 0x158
#define VDI_BLOCK_SIZE 0x178
#define VDI_BLOCKS 0x184
#define VMDK_CAPACITY 12 /* offset; 0: the descriptor has it, and names files */

static int refuse_reason(const uint8_t *head, size_t n, uint64_t size, const char *name,
			 struct failure *failure)
{
	struct image image;
	const char *reason;

	if (image_identify(head, n, size, &image, &reason) == 0)
		reason = "is no disk image";
	return failure_set(failure, EXIT_CONFIG, -EINVAL, "%s: %s", name, reason);
}

/** has_boot_sector() - Does it end like one? Every disk that a PC boots from has one. */
static bool has_boot_sector(const uint8_t *head, size_t n)
{
	return n >= SECTOR && head[510] == 0x55 && head[511] == 0xaa;
}

static uint64_t le(const uint8_t *bytes, size_t n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | bytes[n];
	return value;
}

/**
 * sectors_said() - How long the disk is by its partition table, in sectors: it ends there, or
 * later.
 *
 * The end of the last MBR partition, or the place of GPT's second header.
 */
static uint64_t sectors_said(const uint8_t *head, size_t n)
{
	uint64_t end = 0;

	if (n >= 2 * SECTOR && memcmp(head + SECTOR, "EFI PART", 8) == 0)
		return le(head + SECTOR + GPT_OTHER_HEADER, 8) + 1;
	for (size_t i = 0; i < 4; i++) {
		const uint8_t *entry = head + MBR_TABLE + i * MBR_ENTRY;
		uint64_t ends = le(entry + 8, 4) + le(entry + 12, 4);

		/* Boot sectors without a table have anything there. */
		if (entry[0] & 0x7f)
			return 0;
		if (entry[4] && ends > end)
			end = ends;
	}
	return end;
}

static int check_raw(const uint8_t *head, size_t n, uint64_t size, const char *name,
		     struct failure *failure)
{
	if (!has_boot_sector(head, n))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: is neither a disk image nor a Vagrant box: it has no "
				   "known beginning, and no boot sector",
				   name);
	if (sectors_said(head, n) <= size / SECTOR)
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EINVAL,
			   "%s: is a truncated disk: by its partition table it goes on behind its "
			   "end; copy it again",
			   name);
}

static int check_vhd(const uint8_t *footer, const char *name, struct failure *failure)
{
	if (memcmp(footer, "conectix", 8) != 0)
		return failure_set(
			failure, EXIT_CONFIG, -EINVAL,
			"%s: is a truncated VHD: it does not end like one; copy it again", name);
	if (footer[VHD_TYPE + 3] != VHD_DIFFERENCING)
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EINVAL,
			   "%s: is a differencing VHD, which needs another file: merge it with its "
			   "parent first",
			   name);
}

/** check_vdi() - qemu-img does not miss what a truncated one lacks. */
static int check_vdi(const uint8_t *head, size_t n, uint64_t size, const char *name,
		     struct failure *failure)
{
	if (n >= SECTOR && le(head + VDI_BLOCK_SIZE, 4) * le(head + VDI_BLOCKS, 4) <= size &&
	    le(head + VDI_DATA, 4) <=
		    size - le(head + VDI_BLOCK_SIZE, 4) * le(head + VDI_BLOCKS, 4))
		return 0;
	return failure_set(
		failure, EXIT_CONFIG, -EINVAL,
		"%s: is a truncated VDI: it has fewer blocks than it says; copy it again", name);
}

static int check_vmdk(const uint8_t *head, size_t n, const char *name, struct failure *failure)
{
	static const uint8_t none[8];

	if (n >= SECTOR && memcmp(head + VMDK_CAPACITY, none, sizeof(none)) != 0)
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EINVAL,
			   "%s: is only the descriptor of a VMDK, whose data are in other files: "
			   "make one file of them with qemu-img convert -O qcow2",
			   name);
}

int source_kind_of(const uint8_t *head, size_t n, const uint8_t *tail, uint64_t size,
		   const char *name, enum source_kind *ret_kind, const char **ret_format,
		   struct failure *failure)
{
	const char *reason;
	bool fixed_vhd = size > SECTOR && image_check_tail(tail, &reason) != 0;

	*ret_kind = SOURCE_FOREIGN;
	switch (image_kind(head, n)) {
	case IMAGE_KIND_TAR: *ret_kind = SOURCE_BOX; return 0;
	case IMAGE_KIND_GZIP: *ret_kind = SOURCE_BOX_GZIP; return 0;
	case IMAGE_KIND_QCOW2: *ret_kind = SOURCE_QCOW2; return 0;
	case IMAGE_KIND_VMDK: *ret_format = "vmdk"; return check_vmdk(head, n, name, failure);
	case IMAGE_KIND_VMDK_TEXT: return check_vmdk(head, 0, name, failure);
	case IMAGE_KIND_VHDX: *ret_format = "vhdx"; return 0;
	case IMAGE_KIND_VHD: *ret_format = "vpc"; return check_vhd(tail, name, failure);
	case IMAGE_KIND_VDI: *ret_format = "vdi"; return check_vdi(head, n, size, name, failure);
	case IMAGE_KIND_ISO:
	case IMAGE_KIND_OTHER: return refuse_reason(head, n, size, name, failure);
	case IMAGE_KIND_UNKNOWN: break;
	}
	if (fixed_vhd) {
		*ret_format = "vpc";
		return check_vhd(tail, name, failure);
	}
	if (n == 0 || size % SECTOR)
		return refuse_reason(head, n, size, name, failure);
	*ret_format = "raw";
	return check_raw(head, n, size, name, failure);
}

static int recognise(struct source *source, struct failure *failure)
{
	autofree uint8_t *head = malloc(IMAGE_HEAD_SIZE);
	uint8_t tail[SECTOR] = { 0 };
	ssize_t n = -1;

	if (head)
		n = pread(source->fd, head, IMAGE_HEAD_SIZE, 0);
	if (n >= 0 && source->size >= SECTOR &&
	    pread(source->fd, tail, SECTOR, (off_t)(source->size - SECTOR)) != SECTOR)
		n = -1;
	if (n < 0)
		return failure_set(failure, EXIT_CONFIG, -errno, "%s: cannot be read: %s",
				   source->name, strerror(errno));
	return source_kind_of(head, (size_t)n, tail, source->size, source->name, &source->kind,
			      &source->format, failure);
}

int source_open(const char *path, const char *name, struct source *ret_source,
		struct failure *failure)
{
	struct source source = { .path = path, .name = name, .fd = -1 };
	struct stat status;
	int result = 0;

	source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (source.fd < 0 || fstat(source.fd, &status))
		result = failure_set(failure, EXIT_CONFIG, -errno, "%s: cannot be opened: %s", name,
				     strerror(errno));
	else if (!S_ISREG(status.st_mode))
		result = failure_set(failure, EXIT_CONFIG, -EINVAL,
				     "%s: is not a file: give the disk image or the box itself",
				     name);
	else if (image_written(path))
		result = failure_set(failure, EXIT_UNAVAILABLE, -EBUSY,
				     "%s: is in use: a QEMU or a qemu-img writes to it; shut that "
				     "guest down first",
				     name);
	else {
		source.size = (uint64_t)status.st_size;
		result = recognise(&source, failure);
	}
	if (result)
		source_close(&source);
	else
		*ret_source = source;
	return result;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

int source_check_qcow2(const uint8_t *head, size_t n, uint64_t size, const char *name,
		       struct image *ret_image, struct failure *failure)
{
	const char *reason;

	if (image_identify(head, n, size, ret_image, &reason))
		return failure_set(failure, EXIT_CONFIG, -EINVAL, "%s: %s", name, reason);
	if (ret_image->format != IMAGE_QCOW2)
		return failure_set(failure, EXIT_CONFIG, -EINVAL, "%s: is no qcow2 image", name);
	if (ret_image->backing[0])
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: is an overlay on %.200s, and an image that needs another "
				   "file is not imported: make one of both with qemu-img convert "
				   "-O qcow2",
				   name, ret_image->backing);
	return 0;
}
