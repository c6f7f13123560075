/* The catalogue of a Vagrant box: which file is the one to get. Pure; the text is untrusted. */
#pragma once

#include "image/checksum.h"
#include "lib/failure.h"

#define CATALOG_MAX (16 << 20)
#define CATALOG_URL_MAX 4096
#define CATALOG_VERSION_MAX 64

struct catalog_choice {
	char version[CATALOG_VERSION_MAX];
	char url[CATALOG_URL_MAX]; /* may be relative to the catalogue's own */
	char checksum_type[16];	   /* empty: there is no checksum */
	char checksum[CHECKSUM_MAX_HEX];
};

/**
 * catalog_choose() - Choose the box for libvirt on this processor.
 * @version: this one exactly; NULL: the newest that there is for libvirt
 * @name: of the catalogue, for messages
 *
 * Return: 0, or -EINVAL with @failure filled.
 */
int catalog_choose(const char *text, size_t n, const char *version, const char *name,
		   struct catalog_choice *ret_choice, struct failure *failure);
