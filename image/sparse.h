/* Writing a file without its zeros. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * sparse_write() - Write @n bytes at @offset of a file that is empty there; blocks of zeros become
 * holes.
 *
 * Return: 0 or -errno. The file's size is not taken care of.
 */
int sparse_write(int fd, const void *bytes, size_t n, uint64_t offset);
