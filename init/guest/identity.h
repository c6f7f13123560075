/*
 * What stays the same about a guest from one container to the next: its UUID, what kind of image
 * its disk is, and the id of its generation, which a clone does not share.
 */
#pragma once

#include "lib/failure.h"
#include "lib/image.h"

#define IDENTITY_UUID_SIZE 37

struct identity {
	char uuid[IDENTITY_UUID_SIZE]; /* in the usual form */
	char generation[IDENTITY_UUID_SIZE];
};

/**
 * identity_load() - Read the identity that is kept beside the disk, or make one and keep it.
 * @path: the disk's path with ".uuid"
 * @format: of the disk as found; one that is not the recorded one is refused
 *
 * Return: 0, or -errno with @failure filled.
 */
int identity_load(const char *path, enum image_format format, struct identity *ret_identity,
		  struct failure *failure);

/**
 * identity_clone() - Make that of a clone: a guest with the UUID of another one and a generation of
 * its own, on a qcow2 disk. There must be none at @path yet.
 *
 * Return: 0, or -errno with @failure filled.
 */
int identity_clone(const char *path, const char *uuid, struct failure *failure);
