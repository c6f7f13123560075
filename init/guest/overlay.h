/*
 * A disk of its own for a guest whose Windows is shared: a qcow2 overlay on a base that is only
 * read.
 */
#pragma once

#include "init/guest/disk.h"

/**
 * overlay_create() - Make @path, an overlay on @base.
 *
 * Return: 0, also when somebody else made @path meanwhile, which then stays; or -errno with
 * @failure filled.
 */
int overlay_create(const char *path, const struct disk *base, struct failure *failure);
