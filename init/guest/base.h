/*
 * What an overlay was made on, recorded beside it, so that it is never put on anything else: an
 * overlay has clusters, and the rest of the file system that they are part of is in the base.
 */
#pragma once

#include "init/guest/disk.h"

/**
 * base_record_path() - Of the file that has it: the disk's path with ".base".
 * @directory: without a slash at its end, @length bytes of it
 * @name: of the disk, with a slash before it
 *
 * Return: allocated, or NULL.
 */
char *base_record_path(const char *directory, int length, const char *name);

/**
 * base_digest() - Of the ends of an image's file and of pieces in between, 3 MiB at most.
 *
 * Return: 0 or -errno.
 */
int base_digest(const struct disk_link *link, uint64_t *ret_digest);

/**
 * base_check() - Compare the images below the disk with the record of them, or make the record.
 * @record: the record's path
 * @disk: one without images below it has nothing to compare
 *
 * What was only moved or touched is put on record as it is now. A record that cannot be written is
 * a warning, no failure: the guest is no worse off than without one.
 *
 * Return: 0, or -errno with @failure filled.
 */
int base_check(const char *record, const struct disk *disk, struct failure *failure);
