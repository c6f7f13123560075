/* Device nodes: what [device PATH] asks for. */
#pragma once

#include "lib/config.h"

/**
 * device_fix() - Give a node its group and mode.
 * @text: on failure, a sentence with the remedy
 *
 * The node must be a device: a symbolic link is not followed, so that nobody who can write to its
 * directory gets a file of his choice opened. A node that was mounted from the host is the host's
 * and stays as it is; instead its user, if it has one, becomes a member of the node's group in
 * /etc/group.
 *
 * Return: 0; 1 when /etc/group was changed, and @text says so; -ENOENT when there is no such node;
 * or -errno.
 */
int device_fix(const struct device_config *device, char *text, size_t size);

/**
 * device_check() - Can a device be opened for reading and writing?
 * @text: on failure, a sentence with the remedy
 *
 * Return: 0 or -errno.
 */
int device_check(const struct device_config *device, char *text, size_t size);
