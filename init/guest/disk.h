/*
 * The guest's disk as files: the image that it writes and what that is based on, from top to
 * bottom.
 */
#pragma once

#include "lib/failure.h"
#include "lib/image.h"

#define DISK_MAX_LINKS 8 /* of a chain of overlays; more is a mistake, or a circle */

struct disk_link {
	char *path; /* absolute */
	enum image_format format;
	bool block;    /* a block device, not a file */
	uint64_t size; /* bytes of the file or device, not of the disk that it holds */
};

struct disk {
	struct disk_link links[DISK_MAX_LINKS]; /* the first is written, the others are only read */
	size_t n;
	uint64_t virtual_size;
	bool direct; /* every link can be opened with O_DIRECT */
};

/**
 * disk_open() - Read the chain that begins with @path.
 * @key: the configuration key that names it, for messages
 * @ret_disk: filled on success, to be freed with disk_clear()
 *
 * Everything is opened, for writing what will be written, and closed again; nothing is changed.
 *
 * Return: 0, -ENOENT without a message if there is no @path, or another -errno with @failure
 * filled.
 */
int disk_open(const char *path, const char *key, bool writable, struct disk *ret_disk,
	      struct failure *failure);

/**
 * disk_open_device() - The same, for a disk of a [device] section.
 */
int disk_open_device(const char *path, bool writable, struct disk *ret_disk,
		     struct failure *failure);

void disk_clear(struct disk *disk);
