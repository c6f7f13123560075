/* /etc/group: what a user may use beyond its own. */
#pragma once

#include <sys/types.h>

/**
 * group_file_add() - Make @user a member of the group with the number @gid.
 * @path: the file, normally /etc/group; replaced in one step
 *
 * A group that has no name yet gets one: host-GID. Whoever is a member already stays one, once.
 *
 * Return: 0 or -errno.
 */
int group_file_add(const char *path, gid_t gid, const char *user);
