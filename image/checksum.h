/* Checksums by name, as catalogues of boxes have them. */
#pragma once

#include "lib/util.h"

#define CHECKSUM_MAX_BYTES 64
#define CHECKSUM_MAX_HEX (2 * CHECKSUM_MAX_BYTES + 1)

struct checksum;

/**
 * checksum_new() - Begin one.
 * @type: md5, sha1, sha256, sha384 or sha512, in upper or lower case, with or without a hyphen
 * @wanted: what it should be, in hexadecimal
 * @ret_checksum: to be freed with checksum_free()
 *
 * Return: 0, -ENOTSUP for an unknown type, -EINVAL when @wanted is no such checksum, or -ENOMEM.
 */
int checksum_new(const char *type, const char *wanted, struct checksum **ret_checksum);

/** checksum_restart() - As if nothing had been added. */
void checksum_restart(struct checksum *checksum);

void checksum_add(struct checksum *checksum, const void *bytes, size_t n);

/**
 * checksum_matches() - Is what was added what was wanted? It is restarted then.
 * @ret_hex: CHECKSUM_MAX_HEX bytes, what it is
 */
bool checksum_matches(struct checksum *checksum, char *ret_hex);

void checksum_free(struct checksum *checksum);
