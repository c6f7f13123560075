/* The disks and CDs that [device] sections give to the guest. */
#pragma once

#include "init/guest/storage.h"
#include "lib/config.h"

/**
 * drive_open_cd() - Look at an image of a CD or a drive with one in it.
 * @key: what names it, for messages
 * @ret_drive: filled on success
 *
 * Return: 0, -ENOENT without a message if there is no @path, or another -errno with @failure
 * filled.
 */
int drive_open_cd(const char *path, const char *key, struct drive *ret_drive,
		  struct failure *failure);

/**
 * drives_open() - Add what the sections name to @storage, in their order.
 *
 * Nothing is changed or made. What is written may be there once only, the guest's own disk and the
 * bases below all disks included.
 *
 * Return: 0, or -errno with @failure filled.
 */
int drives_open(const struct config *config, struct storage *storage, struct failure *failure);
