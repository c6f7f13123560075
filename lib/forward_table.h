/*
 * The forwards and their counters as shared memory: written in place by casement-netfw every few
 * seconds, read by PID 1 when somebody asks it. Nobody is woken by a counter, and PID 1 keeps no
 * memory for the rows.
 *
 * A table is a memfd with a header and one row for each forward. Everything in it is of fixed width
 * and in the machine's own byte order: both sides run on one machine, and are of one version or see
 * that they are not. What a forward leads to never changes in a table, only its counters do: other
 * forwards are another table.
 *
 * The trust boundary: the reader believes nothing. Size and seals are checked once, because the
 * kernel keeps the writer from changing them afterwards; the content is checked each time that it
 * is read, because the writer can change that at any moment. The reader uses pread(2) and no
 * mapping: whatever the writer does, the answer is a number of bytes and never SIGBUS.
 */
#pragma once

#include "lib/forward.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What sd_notify(3) calls FDNAME in the datagram that hands a table over. */
#define FORWARD_TABLE_NAME "forwards"

#define FORWARD_TABLE_MAGIC UINT64_C(0x3164776674736163) /* "castfwd1" */
#define FORWARD_TABLE_VERSION 1

/* Every port of both protocols alone, and one row of each protocol for all the others. */
#define FORWARD_TABLE_MAX 131072

/* Rows that a reader takes at once, into its own frame. */
#define FORWARD_TABLE_BATCH 64

/* What went through one forward: "in" is to the guest. */
struct forward_count {
	uint64_t packets_in;
	uint64_t bytes_in;
	uint64_t packets_out;
	uint64_t bytes_out;
};

/* The layout of the memory. */

struct forward_table_header {
	uint64_t magic;
	uint32_t version;
	uint32_t n;		   /* rows */
	_Atomic uint32_t sequence; /* odd while the counters are being written, another one then */
	uint32_t unused;
	uint64_t repairs; /* how often changes of the rules by others were put right */
};

struct forward_table_row {
	uint8_t proto; /* as in struct forward; ports are in host order */
	uint8_t all;   /* 0 or 1 */
	uint16_t listen_first;
	uint16_t listen_last;
	uint16_t guest_first;
	struct forward_count count;
};

static_assert(ATOMIC_INT_LOCK_FREE == 2, "another process cannot take our lock");
static_assert(offsetof(struct forward_table_header, sequence) == 16 &&
		      offsetof(struct forward_table_header, repairs) == 24 &&
		      sizeof(struct forward_table_header) == 32,
	      "the header has the same layout everywhere");
static_assert(offsetof(struct forward_table_row, count) == 8 &&
		      sizeof(struct forward_table_row) == 40,
	      "a row has the same layout everywhere");

/* The writer's side. */

struct forward_table;

/**
 * forward_table_create() - Make a table of these forwards, all counters 0.
 * @ret: to be freed with forward_table_free(); untouched on failure
 *
 * Its size can never change again.
 *
 * Return: 0, -E2BIG for more than FORWARD_TABLE_MAX forwards, or -errno.
 */
int forward_table_create(const struct forward *forwards, size_t n, struct forward_table **ret);

/** forward_table_fd() - The descriptor to hand over; it stays the table's. */
int forward_table_fd(const struct forward_table *table);

/**
 * forward_table_update() - Write new counters.
 * @counts: one for each forward, in the order in which they were given
 * @repairs: how often changes of the rules by others were put right
 */
void forward_table_update(struct forward_table *table, const struct forward_count *counts,
			  uint64_t repairs);

/** forward_table_free() - Forget the table; who has its descriptor can go on reading. NULL is none.
 */
void forward_table_free(struct forward_table *table);

/* The reader's side. */

/* One pass over a table. */
struct forward_table_reader {
	int fd;
	uint32_t sequence; /* as it was in the beginning */
	size_t n;	   /* rows that there are */
	uint64_t repairs;
	size_t next;	   /* row that is read next from the table */
	size_t at, n_rows; /* in rows */
	struct forward_table_row rows[FORWARD_TABLE_BATCH];
};

/**
 * forward_table_accept() - Is this a table that can be read at any later time?
 *
 * Return: 0; -EBADF when it cannot be read; -EINVAL when it is not such memory; -EPERM when the
 * writer could still shorten it; -EBADMSG when what is in it is no table; -EPROTONOSUPPORT when it
 * is one of another version; -EMSGSIZE when its size is not that of its rows.
 */
int forward_table_accept(int fd);

/** forward_table_begin() - Begin to read. Return: 0, or as forward_table_accept(). */
int forward_table_begin(struct forward_table_reader *ret_reader, int fd);

/**
 * forward_table_next() - The next row that is one; what cannot be a forward is left out.
 *
 * Return: false at the end.
 */
bool forward_table_next(struct forward_table_reader *reader, struct forward *ret_forward,
			struct forward_count *ret_count);

/** forward_table_rewind() - Begin with the first row again, in the same pass. */
void forward_table_rewind(struct forward_table_reader *reader);

/** forward_table_is_torn() - Have counters been written since forward_table_begin()? Then some of
 * what was read is older than the rest. */
bool forward_table_is_torn(const struct forward_table_reader *reader);
