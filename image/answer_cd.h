/* A CD with one file, autounattend.xml: Windows' set-up looks for that on every medium. */
#pragma once

#include <stddef.h>

/**
 * answer_cd_write() - Write the image of a CD: ISO 9660 with Joliet's long names.
 * @fd: of an empty file
 * @answers: the content of the file
 *
 * Nobody else gets to see it: no other program is run. Return: 0 or -errno.
 */
int answer_cd_write(int fd, const char *answers, size_t size);
