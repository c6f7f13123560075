/* One helper program, run to its end: qemu-img. */
#pragma once

#include <stddef.h>

/**
 * command_run() - Run a program and wait for it.
 * @argv: its path and arguments
 * @timeout: ms until it is killed
 * @size: of @ret_output
 * @ret_output: the beginning of what it wrote to stderr, as one line of text; empty if nothing
 *
 * Return: 0 when it ended with 0, -EIO when it did not or could not be run, -ETIMEDOUT, or -errno.
 */
int command_run(char *const argv[], int timeout, size_t size, char *ret_output);
