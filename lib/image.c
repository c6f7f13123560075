/*
 * Reader of image headers.
 *
 * Anything that is not recognised is a raw disk: that is what raw means. So formats that are no
 * disks, or not yet supported ones, are recognised in order to be refused, for a guest that finds
 * an archive where its boot sector should be says nothing useful. qcow2 is read as QEMU's
 * docs/interop/qcow2.txt describes it; QEMU checks the rest when it opens the file, but what it
 * says then comes late and is found in a log.
 */
#include "lib/image.h"

#include <errno.h>
#include <string.h>

#define QCOW2_MAGIC 0x514649fbU /* "QFI\xfb" */
#define QCOW2_HEADER_V2 72
#define QCOW2_HEADER_V3 104
#define QCOW2_EXTENSION_END 0
#define QCOW2_EXTENSION_FORMAT 0xe2792acaU
#define QCOW2_CORRUPT (1ULL << 1)
#define QCOW2_DATA_FILE (1ULL << 2)
/* Dirty, corrupt, data file, compression type, extended L2. */
#define QCOW2_KNOWN_FEATURES 0x1fULL

/* Formats that are recognised, and refused as a guest's disk: bytes at an offset. */
static const struct {
	size_t offset;
	const char *magic;
	size_t length;
	enum image_kind kind;
	const char *reason;
} refused[] = {
#define IMPORT " image, which cannot be used as it is: convert it with qemu-img convert -O qcow2"
#define ARCHIVE " archive: unpack it first"
	{ 0, "KDMV", 4, IMAGE_KIND_VMDK, "is a VMDK" IMPORT },
	{ 0, "# Disk DescriptorFile", 21, IMAGE_KIND_VMDK_TEXT,
	  "is the descriptor of a VMDK" IMPORT },
	{ 0, "vhdxfile", 8, IMAGE_KIND_VHDX, "is a VHDX" IMPORT },
	{ 0, "conectix", 8, IMAGE_KIND_VHD, "is a VHD" IMPORT },
	{ 0x40, "\x7f\x10\xda\xbe", 4, IMAGE_KIND_VDI, "is a VDI" IMPORT },
	{ 0, "QED\0", 4, IMAGE_KIND_OTHER, "is a QED" IMPORT },
	{ 0, "WithoutFreeSpace", 16, IMAGE_KIND_OTHER, "is a Parallels" IMPORT },
	{ 0, "WithouFreSpacExt", 16, IMAGE_KIND_OTHER, "is a Parallels" IMPORT },
	{ 0, "LUKS\xba\xbe", 6, IMAGE_KIND_OTHER,
	  "is encrypted with LUKS, which is not supported" },
	{ 0, "\x1f\x8b", 2, IMAGE_KIND_GZIP, "is a gzip" ARCHIVE },
	{ 0, "\xfd\x37zXZ", 5, IMAGE_KIND_OTHER, "is an xz" ARCHIVE },
	{ 0, "\x28\xb5\x2f\xfd", 4, IMAGE_KIND_OTHER, "is a zstd" ARCHIVE },
	{ 0, "BZh", 3, IMAGE_KIND_OTHER, "is a bzip2" ARCHIVE },
	{ 0, "PK\x03\x04", 4, IMAGE_KIND_OTHER, "is a zip" ARCHIVE },
	{ 0, "7z\xbc\xaf\x27\x1c", 6, IMAGE_KIND_OTHER, "is a 7z" ARCHIVE },
	{ 0, "MSWIM\0\0\0", 8, IMAGE_KIND_OTHER, "is a Windows imaging file (WIM), not a disk" },
	{ 257, "ustar", 5, IMAGE_KIND_TAR, "is a tar" ARCHIVE },
	{ 0x8001, "CD001", 5, IMAGE_KIND_ISO, "is an image of a CD or DVD (ISO), not of a disk" },
};

static uint32_t be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static uint64_t be64(const uint8_t *bytes)
{
	return (uint64_t)be32(bytes) << 32 | be32(bytes + 4);
}

/** in_file() - Is [@offset, @offset + @length) inside a file of @size bytes? */
static bool in_file(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static const char *check_features(const uint8_t *head, uint32_t version)
{
	uint64_t features = version >= 3 ? be64(head + 72) : 0;

	if (features & QCOW2_CORRUPT)
		return "is a qcow2 image that QEMU has marked as corrupt: look at it with qemu-img "
		       "check";
	if (features & QCOW2_DATA_FILE)
		return "is a qcow2 image with an external data file, which is not supported";
	if (features & ~QCOW2_KNOWN_FEATURES)
		return "is a qcow2 image of a newer kind than this QEMU knows";
	if (be32(head + 32) != 0)
		return "is an encrypted qcow2 image, which is not supported";
	return NULL;
}

/** check_tables() - Do the tables that every cluster is found by lie inside the file? */
static const char *check_tables(const uint8_t *head, uint64_t size)
{
	uint32_t cluster_bits = be32(head + 20);
	uint64_t cluster, l1_entries = be32(head + 36), virtual_size = be64(head + 24);

	if (cluster_bits < 9 || cluster_bits > 21)
		return "has a corrupt qcow2 header: impossible cluster size";
	cluster = 1ULL << cluster_bits;
	if (virtual_size > INT64_MAX || l1_entries > (32U << 20) / 8)
		return "has a corrupt qcow2 header: impossible size";
	/*
	 * An L1 entry leads to an L2 table of one cluster, which has at most an entry per 8 bytes.
	 */
	if (l1_entries < virtual_size / (cluster * (cluster / 8)))
		return "has a corrupt qcow2 header: its L1 table is too small for its size";
	if (be64(head + 40) % cluster || be64(head + 48) % cluster)
		return "has a corrupt qcow2 header: a table is not aligned";
	if (!in_file(be64(head + 40), l1_entries * 8, size) ||
	    !in_file(be64(head + 48), (uint64_t)be32(head + 56) * cluster, size))
		return "is a truncated qcow2 image: it ends before its tables";
	return NULL;
}

static int format_by_name(const uint8_t *name, size_t length)
{
	if (length == 3 && memcmp(name, "raw", 3) == 0)
		return IMAGE_RAW;
	return length == 5 && memcmp(name, "qcow2", 5) == 0 ? (int)IMAGE_QCOW2 : -2;
}

/** read_extensions() - Find the backing file's format among the header's extensions. */
static const char *read_extensions(const uint8_t *head, size_t n, size_t at, int *ret_format)
{
	while (n - at >= 8) {
		uint32_t type = be32(head + at), length = be32(head + at + 4);

		at += 8;
		if (type == QCOW2_EXTENSION_END)
			break;
		if (length > n - at)
			return "has a corrupt qcow2 header: an extension is too long";
		if (type == QCOW2_EXTENSION_FORMAT) {
			*ret_format = format_by_name(head + at, length);
			if (*ret_format < -1)
				return "is an overlay on an image that is neither raw nor qcow2, "
				       "which is not supported";
		}
		length = (length + 7) / 8 * 8;
		at = length > n - at ? n : at + length;
	}
	return NULL;
}

static const char *read_backing(const uint8_t *head, size_t n, struct image *image)
{
	uint32_t header = be32(head + 4) >= 3 ? be32(head + 100) : QCOW2_HEADER_V2;
	uint64_t offset = be64(head + 8);
	uint32_t length = be32(head + 16);

	if (header < QCOW2_HEADER_V2 || header % 8 || header > n)
		return "has a corrupt qcow2 header: impossible length";
	if (offset == 0)
		return NULL;
	if (length == 0 || length >= IMAGE_NAME_MAX || !in_file(offset, length, n))
		return "has a corrupt qcow2 header: the name of its backing file is not where it "
		       "should be";
	memcpy(image->backing, head + offset, length);
	if (strlen(image->backing) != length)
		return "has a corrupt qcow2 header: the name of its backing file has a zero byte";
	return read_extensions(head, n, header, &image->backing_format);
}

static const char *read_qcow2(const uint8_t *head, size_t n, uint64_t size, struct image *image)
{
	uint32_t version = n >= 8 ? be32(head + 4) : 0;
	const char *wrong;

	if (version == 1)
		return "is a qcow image of version 1: convert it with qemu-img convert -O qcow2";
	if (version > 3)
		return "is a qcow2 image of a newer version than this QEMU knows";
	if (n < QCOW2_HEADER_V2 || (version >= 3 && n < QCOW2_HEADER_V3))
		return "is a truncated qcow2 image: not even its header is whole";
	if (version < 2)
		return "has a corrupt qcow2 header: impossible version";
	wrong = check_features(head, version);
	if (!wrong)
		wrong = check_tables(head, size);
	if (!wrong)
		wrong = read_backing(head, n, image);
	image->format = IMAGE_QCOW2;
	image->virtual_size = be64(head + 24);
	if (!wrong && image->virtual_size == 0)
		wrong = "is a qcow2 image of size 0";
	return wrong;
}

/** find_refused() - Return: the row of the table that fits, or -1. */
static int find_refused(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (in_file(refused[i].offset, refused[i].length, n) &&
		    memcmp(head + refused[i].offset, refused[i].magic, refused[i].length) == 0)
			return (int)i;
	}
	return -1;
}

enum image_kind image_kind(const uint8_t *head, size_t n)
{
	int found = find_refused(head, n);

	if (found >= 0)
		return refused[found].kind;
	return n >= 4 && be32(head) == QCOW2_MAGIC ? IMAGE_KIND_QCOW2 : IMAGE_KIND_UNKNOWN;
}

int image_identify(const uint8_t *head, size_t n, uint64_t size, struct image *ret_image,
		   const char **ret_reason)
{
	struct image image = { .format = IMAGE_RAW, .virtual_size = size, .backing_format = -1 };

	int found = find_refused(head, n);

	*ret_reason = NULL;
	if (size == 0 || n == 0) {
		*ret_reason = "is empty";
		return -EINVAL;
	}
	if (found >= 0) {
		*ret_reason = refused[found].reason;
		return -EMEDIUMTYPE;
	}
	if (n >= 4 && be32(head) == QCOW2_MAGIC)
		*ret_reason = read_qcow2(head, n, size, &image);
	else if (size % 512)
		*ret_reason = "is no disk: its size is not a multiple of 512 bytes, so it is "
			      "truncated or no image at all";
	if (*ret_reason)
		return -EINVAL;
	*ret_image = image;
	return 0;
}

int image_check_tail(const uint8_t *tail, const char **ret_reason)
{
	/* A dynamic one begins with a copy of its footer. */
	int found = find_refused(tail, IMAGE_TAIL_SIZE);

	if (found < 0 || refused[found].kind != IMAGE_KIND_VHD)
		return 0;
	*ret_reason = refused[found].reason;
	return -EMEDIUMTYPE;
}

const char *image_format_name(enum image_format format)
{
	return format == IMAGE_QCOW2 ? "qcow2" : "raw";
}
