/* The guest's UEFI variables, as far as they decide what the firmware does. */
#pragma once

#include "lib/failure.h"

/**
 * nvram_check_secure() - Would a firmware with these variables enforce secure boot?
 * @path: of the variables; a file that does not exist is made by libvirt, with the keys
 *
 * A file that was made for [guest] firmware = uefi has no platform key, and without one the
 * firmware starts whatever it finds.
 *
 * Return: 0, or -errno with @failure filled.
 */
int nvram_check_secure(const char *path, struct failure *failure);
