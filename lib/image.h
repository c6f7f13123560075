/* What a disk image is, by its first bytes. Pure; the bytes are untrusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * As much of the beginning of a file as image_identify() wants to see; less only where the file is
 * shorter.
 */
#define IMAGE_HEAD_SIZE 65536
#define IMAGE_TAIL_SIZE 512 /* bytes of its end that image_check_tail() wants to see */
#define IMAGE_NAME_MAX 1024 /* of a qcow2's backing file, by its specification */

enum image_format { IMAGE_RAW, IMAGE_QCOW2 };

/* What a file is, whether a guest can use it or not. */
enum image_kind {
	IMAGE_KIND_UNKNOWN, /* a raw disk, or anything at all */
	IMAGE_KIND_QCOW2,
	IMAGE_KIND_VMDK,
	IMAGE_KIND_VMDK_TEXT, /* a descriptor that names other files */
	IMAGE_KIND_VHDX,
	IMAGE_KIND_VHD, /* a dynamic one; a fixed one has its mark at the end of the file */
	IMAGE_KIND_VDI,
	IMAGE_KIND_GZIP,
	IMAGE_KIND_TAR,
	IMAGE_KIND_ISO,
	IMAGE_KIND_OTHER, /* known to be no disk that anybody here reads */
};

struct image {
	enum image_format format;
	uint64_t virtual_size;	      /* bytes, as the guest sees it */
	char backing[IMAGE_NAME_MAX]; /* as it stands in the file; empty: none */
	int backing_format;	      /* enum image_format, -1 when it is not said */
};

/**
 * image_identify() - Recognise an image, and check what a header alone can tell.
 * @head: its first bytes, IMAGE_HEAD_SIZE or all
 * @n: how many
 * @size: of the whole file or device, in bytes
 * @ret_image: filled on success
 * @ret_reason: on failure what is wrong with it, as the end of a sentence that begins with its
 * name; static
 *
 * Return: 0, -EMEDIUMTYPE for a format that is known but cannot be a guest's disk, or -EINVAL for a
 * broken one.
 */
int image_identify(const uint8_t *head, size_t n, uint64_t size, struct image *ret_image,
		   const char **ret_reason);

/**
 * image_check_tail() - Is what begins like a raw disk a fixed VHD? That is a disk with a footer
 * behind it ("Virtual Hard Disk Image Format Specification", Microsoft 2006, Hard Disk Footer
 * Format), of which QEMU would make part of the guest's disk.
 * @tail: the last IMAGE_TAIL_SIZE bytes
 * @ret_reason: as for image_identify()
 *
 * Return: 0 if not, or -EMEDIUMTYPE.
 */
int image_check_tail(const uint8_t *tail, const char **ret_reason);

/** image_kind() - What the first @n bytes of a file say that it is. */
enum image_kind image_kind(const uint8_t *head, size_t n);

/** image_format_name() - As qemu-img and libvirt call it. */
const char *image_format_name(enum image_format format);
