/* New, empty qcow2 images, without the 10 to 50 ms that starting qemu-img takes. */
#pragma once

#include "lib/image.h"

/**
 * qcow2_write() - Make the empty file @fd an image without a cluster of its own.
 * @size: of the disk that it holds, in bytes; rounded up to whole sectors
 * @backing: path of the image that all its content comes from, absolute or relative to the
 * image's own directory; NULL: none, it reads as zeros
 * @format: of @backing
 *
 * Nothing is synced. Return: 0, -EFBIG for a disk of more than 2 PiB, -ENAMETOOLONG for a path of
 * IMAGE_NAME_MAX bytes or more, or -errno.
 */
int qcow2_write(int fd, uint64_t size, const char *backing, enum image_format format);
