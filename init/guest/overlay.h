/*
 * A disk of its own for a guest whose Windows is shared: a qcow2 overlay on a base that is only
 * read.
 */
#pragma once

#include "init/guest/disk.h"

/**
 * overlay_begin() - Make an overlay on @base that is to become @path, beside that.
 * @ret_temporary: its name until then; allocated
 *
 * Return: 0, or -errno with @failure filled.
 */
int overlay_begin(const char *path, const struct disk *base, char **ret_temporary,
		  struct failure *failure);

/**
 * overlay_publish() - Give it its name.
 *
 * Return: 0, also when somebody else made @path meanwhile, which then stays; or -errno with
 * @failure filled.
 */
int overlay_publish(const char *temporary, const char *path, const struct disk *base,
		    struct failure *failure);
