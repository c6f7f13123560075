/* Files that appear whole or not at all. */
#pragma once

#include <stddef.h>

/**
 * publish_temporary() - A name for a file that becomes @path, in the same directory.
 * @ret_name: allocated; the file exists, empty
 *
 * Remains of attempts that were cut short, by a power cut for instance, are removed when they are
 * old.
 *
 * Return: 0 or -errno.
 */
int publish_temporary(const char *path, char **ret_name);

/**
 * publish() - Write @temporary to the disk for good and name it @path.
 *
 * Return: 0, -EEXIST if there is a @path already, which stays as it is, or -errno; then @temporary
 * is removed.
 */
int publish(const char *temporary, const char *path);

/**
 * publish_over() - The same, in the place of a @path that there may be already.
 *
 * Return: 0 or -errno; then @temporary is removed.
 */
int publish_over(const char *temporary, const char *path);
