/*
 * A guest's disk is one container's at a time: two guests on one disk destroy it. The lock is the
 * kernel's and ends with its holder, however that ends.
 */
#pragma once

#include <stdbool.h>

/* A host name, and its end. */
#define CLAIM_HOLDER_SIZE 65

struct claim {
	bool held;
	int fd;
};

/**
 * claim_take() - Lock the file beside the disk, for as long as this process lives.
 * @path: the lock's; it is made if need be, and never removed
 * @ret_holder: the host name of whoever had it last, or still has it; empty: not known
 *
 * Return: 0, -EBUSY when somebody else has it, or -errno when there can be no lock.
 */
int claim_take(const char *path, struct claim *claim, char ret_holder[static CLAIM_HOLDER_SIZE]);

void claim_drop(struct claim *claim);
