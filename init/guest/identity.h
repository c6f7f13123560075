/*
 * What stays the same about a guest from one container to the next: its UUID, and what kind of
 * image its disk is.
 */
#pragma once

#include "lib/failure.h"
#include "lib/image.h"

#define IDENTITY_UUID_SIZE 37

/**
 * identity_load() - Read the identity that is kept beside the disk, or make one and keep it.
 * @path: the disk's path with ".uuid"
 * @format: of the disk as found; one that is not the recorded one is refused
 * @ret_uuid: in the usual form
 *
 * Return: 0, or -errno with @failure filled.
 */
int identity_load(const char *path, enum image_format format,
		  char ret_uuid[static IDENTITY_UUID_SIZE], struct failure *failure);
