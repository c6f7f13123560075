/*
 * The table of forwards.
 *
 * Its sequence number is that of a seqlock with one writer: odd, counters, even. A reader that
 * finds the same even number before and after has read counters of one moment. The writer never
 * waits for a reader, and a reader that is unlucky decides by itself how often it tries again.
 */
#include "lib/forward_table.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct forward_table {
	int fd;
	size_t n;
	size_t size;
	struct forward_table_header *header; /* the mapping */
	struct forward_table_row *rows;	     /* behind the header */
};

static size_t size_of(size_t n)
{
	return sizeof(struct forward_table_header) + n * sizeof(struct forward_table_row);
}

/** fill() - What never changes. */
static void fill(struct forward_table *table, const struct forward *forwards, size_t n)
{
	table->header->magic = FORWARD_TABLE_MAGIC;
	table->header->version = FORWARD_TABLE_VERSION;
	table->header->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		table->rows[i] = (struct forward_table_row){
			.proto = forwards[i].proto,
			.all = forwards[i].all,
			.listen_first = forwards[i].listen_first,
			.listen_last = forwards[i].listen_last,
			.guest_first = forwards[i].guest_first,
		};
}

int forward_table_create(const struct forward *forwards, size_t n, struct forward_table **ret)
{
	autoclose int fd = -1;
	autofree struct forward_table *table = NULL;
	void *memory;

	if (n > FORWARD_TABLE_MAX)
		return -E2BIG;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	fd = memfd_create("casement-forwards", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	table->n = n;
	table->size = size_of(n);
	if (ftruncate(fd, (off_t)table->size) < 0)
		return -errno;
	memory = mmap(NULL, table->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	table->header = memory;
	table->rows = (struct forward_table_row *)(table->header + 1);
	fill(table, forwards, n);
	/* From here on nobody can take away what a reader has found to be there. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int result = -errno;

		munmap(memory, table->size);
		return result;
	}
	table->fd = take_fd(&fd);
	*ret = take_ptr(table);
	return 0;
}

int forward_table_fd(const struct forward_table *table)
{
	return table->fd;
}

void forward_table_update(struct forward_table *table, const struct forward_count *counts,
			  uint64_t repairs)
{
	struct forward_table_header *header = table->header;
	uint32_t sequence = atomic_load_explicit(&header->sequence, memory_order_relaxed);

	atomic_store_explicit(&header->sequence, sequence + 1, memory_order_relaxed);
	/* No counter may be seen before the odd number is; and the even one not before them all. */
	atomic_thread_fence(memory_order_release);
	header->repairs = repairs;
	for (size_t i = 0; i < table->n; i++)
		table->rows[i].count = counts[i];
	atomic_store_explicit(&header->sequence, sequence + 2, memory_order_release);
}

void forward_table_free(struct forward_table *table)
{
	if (!table)
		return;
	munmap(table->header, table->size);
	close(table->fd);
	free(table);
}

/**
 * read_header() - The header, if the descriptor is a table that can be relied on.
 *
 * Return: 0, or as forward_table_accept().
 */
static int read_header(int fd, struct forward_table_header *ret_header)
{
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);
	ssize_t n;

	/* Only memory has seals: what has none could be a pipe, or a file on a disk that hangs. */
	if (seals < 0)
		return -errno;
	if (!(seals & F_SEAL_SHRINK))
		return -EPERM;
	n = pread(fd, ret_header, sizeof(*ret_header), 0);
	if (n < 0)
		return -errno;
	if (n != sizeof(*ret_header) || ret_header->magic != FORWARD_TABLE_MAGIC)
		return -EBADMSG;
	if (ret_header->version != FORWARD_TABLE_VERSION)
		return -EPROTONOSUPPORT;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (ret_header->n > FORWARD_TABLE_MAX || status.st_size != (off_t)size_of(ret_header->n))
		return -EMSGSIZE;
	return 0;
}

int forward_table_accept(int fd)
{
	struct forward_table_header header;

	return read_header(fd, &header);
}

int forward_table_begin(struct forward_table_reader *ret_reader, int fd)
{
	struct forward_table_header header;
	int result = read_header(fd, &header);

	if (result < 0)
		return result;
	ret_reader->fd = fd;
	ret_reader->sequence = atomic_load_explicit(&header.sequence, memory_order_relaxed);
	ret_reader->n = header.n;
	ret_reader->repairs = header.repairs;
	forward_table_rewind(ret_reader);
	return 0;
}

/** read_rows() - Some more rows; a part of a row at the end is none. Return: false at the end. */
static bool read_rows(struct forward_table_reader *reader)
{
	size_t left = reader->n - reader->next;
	size_t wanted = left < FORWARD_TABLE_BATCH ? left : FORWARD_TABLE_BATCH;
	ssize_t n = pread(reader->fd, reader->rows, wanted * sizeof(reader->rows[0]),
			  (off_t)size_of(reader->next));

	reader->at = 0;
	reader->n_rows = n > 0 ? (size_t)n / sizeof(reader->rows[0]) : 0;
	reader->next += reader->n_rows;
	return reader->n_rows;
}

static bool is_valid(const struct forward_table_row *row)
{
	if ((row->proto != IPPROTO_TCP && row->proto != IPPROTO_UDP) || row->all > 1)
		return false;
	/* Which ports are "all the others" is nothing that a reader has to know. */
	if (row->all)
		return true;
	return row->listen_first && row->listen_first <= row->listen_last && row->guest_first &&
	       row->guest_first <= UINT16_MAX - (row->listen_last - row->listen_first);
}

bool forward_table_next(struct forward_table_reader *reader, struct forward *ret_forward,
			struct forward_count *ret_count)
{
	while (reader->at < reader->n_rows || read_rows(reader)) {
		const struct forward_table_row *row = &reader->rows[reader->at++];

		if (!is_valid(row))
			continue;
		*ret_forward = (struct forward){
			.proto = row->proto,
			.listen_first = row->listen_first,
			.listen_last = row->listen_last,
			.guest_first = row->guest_first,
			.all = row->all,
		};
		*ret_count = row->count;
		return true;
	}
	return false;
}

void forward_table_rewind(struct forward_table_reader *reader)
{
	reader->next = reader->at = reader->n_rows = 0;
}

bool forward_table_is_torn(const struct forward_table_reader *reader)
{
	struct forward_table_header header = { 0 };

	/* The number is read after the rows, also by a processor that likes to read ahead. */
	atomic_thread_fence(memory_order_acquire);
	if (read_header(reader->fd, &header) < 0)
		return true;
	return reader->sequence % 2 != 0 || reader->sequence != header.sequence;
}
