/*
 * Users and groups by name, from /etc/passwd and /etc/group and nowhere else. getpwnam() and its
 * like ask the modules of nsswitch.conf, which are libraries that are loaded into the process and
 * may wait for a daemon: neither is for PID 1.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/** account_user() - Return: 0, -ENOENT: there is no such user, or -errno. */
int account_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/** account_group() - Return: 0, -ENOENT: there is no such group, or -errno. */
int account_group(const char *name, gid_t *ret_gid);

/**
 * account_groups() - All groups of a user, each once.
 * @own: the user's own group, which comes first
 *
 * Return: their number, at most @max; without /etc/group it is 1.
 */
size_t account_groups(const char *user, gid_t own, gid_t *groups, size_t max);
