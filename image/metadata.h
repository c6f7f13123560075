/* metadata.json of a Vagrant box for libvirt, in both of its forms. Pure; the text is untrusted. */
#pragma once

#include "lib/failure.h"

#define METADATA_FILE "metadata.json"
#define METADATA_MAX (1 << 20) /* bytes; a real one has a hundred */
#define METADATA_NAME_MAX 256

struct metadata {
	char disk[METADATA_NAME_MAX]; /* the member of the box that is the disk */
	uint64_t virtual_size;	      /* bytes; 0: not said */
};

/**
 * metadata_parse() - Read the text and check that the box is one that can be imported.
 * @box: its name, for messages
 *
 * Return: 0, or -EINVAL with @failure filled.
 */
int metadata_parse(const char *text, size_t n, const char *box, struct metadata *ret_metadata,
		   struct failure *failure);
