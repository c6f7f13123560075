/* Files and directories with everything below them. */
#pragma once

#include <stddef.h>

/**
 * tree_copy() - Copy with owners, modes and times, and holes as holes.
 * @to: does not exist
 * @ret_reason: on failure what went wrong, as a sentence
 *
 * Return: 0 or -errno.
 */
int tree_copy(char *from, char *to, size_t size, char *ret_reason);

/** tree_remove() - What cannot be removed stays. */
void tree_remove(const char *path);
