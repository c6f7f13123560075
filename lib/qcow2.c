/*
 * As QEMU's docs/interop/qcow2.txt has it, version 3, with the values that qemu-img create would
 * choose, in this order:
 *
 *	cluster 0	header, its extensions, the name of the backing file
 *	cluster 1	refcount table, with one entry: cluster 2
 *	cluster 2	refcount block: one reference to each of these clusters
 *	cluster 3...	L1 table, all zeros: nothing is allocated
 *
 * All numbers are big endian. What is zero is not written: it stays a hole.
 */
#include "lib/qcow2.h"

#include "lib/util.h"

#include <errno.h>

#define CLUSTER_BITS 16
#define CLUSTER (1ULL << CLUSTER_BITS)
#define SECTOR 512
/* An L1 entry leads to an L2 table of one cluster, which has an entry of 8 bytes per cluster. */
#define BYTES_PER_L1_ENTRY (CLUSTER / 8 * CLUSTER)
#define L1_MAX (32ULL << 20) /* bytes, QEMU's limit: so one refcount block is enough */
#define REFCOUNT_ORDER 4     /* 16 bits for each cluster */
#define HEADER_SIZE 104
#define EXTENSION_FORMAT 0xe2792acaU
/* Header, one extension of a format's name, the end of the extensions, the path. */
#define HEAD_MAX (HEADER_SIZE + 16 + 8 + IMAGE_NAME_MAX)

static const uint64_t refcount_table = 1 * CLUSTER, refcount_block = 2 * CLUSTER,
		      l1_table = 3 * CLUSTER;

/** put() - @n bytes of @value, the highest first. */
static void put(uint8_t *at, size_t n, uint64_t value)
{
	while (n-- > 0) {
		at[n] = (uint8_t)value;
		value >>= 8;
	}
}

/** put_text() - Without a zero at its end. */
static void put_text(uint8_t *at, const char *text)
{
	while (*text)
		*at++ = (uint8_t)*text++;
}

/** put_backing() - The extension that tells the format, its end, and the path behind them. */
static void put_backing(uint8_t *head, const char *backing, enum image_format format)
{
	const char *name = image_format_name(format);
	size_t length = strlen(name), at = HEADER_SIZE + 8 + (length + 7) / 8 * 8 + 8;

	put(head + HEADER_SIZE, 4, EXTENSION_FORMAT);
	put(head + HEADER_SIZE + 4, 4, length);
	put_text(head + HEADER_SIZE + 8, name);
	put(head + 8, 8, at);
	put(head + 16, 4, strlen(backing));
	put_text(head + at, backing);
}

static void put_header(uint8_t *head, uint64_t size, uint64_t l1_entries)
{
	put_text(head, "QFI\xfb");
	put(head + 4, 4, 3); /* version */
	put(head + 20, 4, CLUSTER_BITS);
	put(head + 24, 8, size);
	put(head + 36, 4, l1_entries);
	put(head + 40, 8, l1_table);
	put(head + 48, 8, refcount_table);
	put(head + 56, 4, 1); /* clusters of the refcount table */
	put(head + 96, 4, REFCOUNT_ORDER);
	put(head + 100, 4, HEADER_SIZE);
}

static int write_at(int fd, const uint8_t *bytes, size_t n, uint64_t offset)
{
	ssize_t written = pwrite(fd, bytes, n, (off_t)offset);

	if (written < 0)
		return -errno;
	return (size_t)written == n ? 0 : -ENOSPC;
}

int qcow2_write(int fd, uint64_t size, const char *backing, enum image_format format)
{
	uint64_t sectors = size / SECTOR + (size % SECTOR != 0);
	uint64_t l1_entries = sectors / (BYTES_PER_L1_ENTRY / SECTOR) +
			      (sectors % (BYTES_PER_L1_ENTRY / SECTOR) != 0);
	uint64_t l1_clusters = (l1_entries * 8 + CLUSTER - 1) / CLUSTER;
	uint8_t head[HEAD_MAX] = { 0 }, table[8], counts[2 * (3 + L1_MAX / CLUSTER)];
	int result;

	if (l1_entries * 8 > L1_MAX)
		return -EFBIG;
	if (backing && strlen(backing) >= IMAGE_NAME_MAX)
		return -ENAMETOOLONG;
	put_header(head, sectors * SECTOR, l1_entries);
	if (backing)
		put_backing(head, backing, format);
	put(table, sizeof(table), refcount_block);
	for (size_t i = 0; i < 3 + l1_clusters; i++)
		put(counts + 2 * i, 2, 1);
	result = write_at(fd, head, sizeof(head), 0);
	if (result == 0)
		result = write_at(fd, table, sizeof(table), refcount_table);
	if (result == 0)
		result = write_at(fd, counts, 2 * (3 + l1_clusters), refcount_block);
	/* Whole clusters, so that the end is where a reader looks for it. */
	if (result == 0 && ftruncate(fd, (off_t)(l1_table + l1_clusters * CLUSTER)))
		result = -errno;
	return result;
}
