/* Of whole files: was anything damaged? Nobody is kept from deceiving. */
#pragma once

#include <stdint.h>

#define CHECKSUM_SIZE 33

/**
 * checksum_file() - XXH3 of 128 bits, which is faster than any disk.
 * @ret_sum: as hexadecimal digits, in the canonical order of the xxHash specification
 *
 * Return: 0 or -errno.
 */
int checksum_file(const char *path, uint64_t *ret_size, char ret_sum[static CHECKSUM_SIZE]);
