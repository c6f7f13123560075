/*
 * The image that is being made: a file under a hidden name in its final directory, which gets its
 * own name when it is whole, and never in the place of another.
 */
#pragma once

#include "image/job.h"

#include <sys/types.h>

struct target {
	char *path;	 /* what it becomes */
	char *temporary; /* what it is called until then */
	int fd;		 /* open for writing, and locked: who holds the lock is at work */
	mode_t mode;
};

/**
 * target_free() - Is @path free, and a place where a file can be made?
 *
 * Return: 0 or -errno with @failure filled.
 */
int target_free(const char *path, struct failure *failure);

/**
 * target_open() - Make the hidden file.
 * @path: absolute, and free
 * @mode: of the finished file
 * @ret_target: on success to be given to target_publish() or target_discard()
 */
int target_open(const char *path, mode_t mode, struct target *ret_target, struct failure *failure);

/** target_room() - Has its file system room for @bytes? Return: 0 or -ENOSPC, or -errno. */
int target_room(const char *path, uint64_t bytes, const char *source, struct failure *failure);

/** target_publish() - Write it to the disk for good and give it its name. @target is done with. */
int target_publish(struct target *target, struct failure *failure);

/** target_discard() - Leave nothing behind. */
void target_discard(struct target *target);

/** target_sweep() - Remove what nobody is at work on. */
void target_sweep(const char *path);
