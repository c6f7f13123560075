/* Whole files. */
#pragma once

#include <stdio.h>

/**
 * file_replace() - Put a new file in place of @path in one step: readers see the old one or the
 * whole new one.
 * @print: writes the content
 *
 * The file gets mode 0644. On failure the old one stays and nothing else is left behind.
 *
 * Return: 0 or -errno.
 */
int file_replace(const char *path, void (*print)(const void *context, FILE *out),
		 const void *context);
