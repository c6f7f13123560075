/* What is to be imported: a disk in one of several formats, or a box, by its content. */
#pragma once

#include "image/job.h"
#include "lib/image.h"

enum source_kind {
	SOURCE_BOX,	 /* a tar archive */
	SOURCE_BOX_GZIP, /* a compressed one */
	SOURCE_QCOW2,	 /* copied as it is: what is compressed in it stays so */
	SOURCE_FOREIGN,	 /* converted by qemu-img */
};

struct source {
	const char *path; /* absolute */
	const char *name; /* for messages */
	int fd;
	uint64_t size;
	enum source_kind kind;
	const char *format; /* of SOURCE_FOREIGN, as qemu-img calls it */
};

/**
 * source_open() - Open and recognise it.
 * @ret_source: to be closed with source_close()
 *
 * Return: 0 or -errno with @failure filled.
 */
int source_open(const char *path, const char *name, struct source *ret_source,
		struct failure *failure);

void source_close(struct source *source);

/**
 * source_check_qcow2() - Is this the header of a qcow2 image that stands for itself?
 * @head: its beginning, IMAGE_HEAD_SIZE bytes or all
 * @size: of the whole image file
 * @name: for messages
 */
int source_check_qcow2(const uint8_t *head, size_t n, uint64_t size, const char *name,
		       struct image *ret_image, struct failure *failure);

/** source_kind_of() - Pure. @tail: the last 512 bytes. @ret_format: of a foreign one. */
int source_kind_of(const uint8_t *head, size_t n, const uint8_t *tail, uint64_t size,
		   const char *name, enum source_kind *ret_kind, const char **ret_format,
		   struct failure *failure);
