/* What the guest keeps: its disk, its identity, and where its firmware and its TPM keep theirs. */
#pragma once

#include "init/guest/drive.h"
#include "init/guest/identity.h"
#include "lib/config.h"

struct storage {
	struct disk disk;
	struct drive drives[DRIVES_MAX]; /* beside it */
	size_t n_drives;
	struct identity identity;
	char *nvram;	    /* path of the UEFI variables */
	char *tpm;	    /* directory of the TPM's state */
	char *capabilities; /* what is known about QEMU: qemu_cache.h */
};

/** storage_key() - The key that names the disk, for messages. */
const char *storage_key(const struct guest_config *config);

/**
 * storage_lock_path() - Of the file that is locked while a disk is in use.
 * @ret_path: allocated
 *
 * Return: 0 or -ENOMEM.
 */
int storage_lock_path(const char *disk, char **ret_path);

/**
 * storage_prepare() - Find or make the guest's disk, and its identity.
 * @ret_storage: filled on success, to be freed with storage_clear()
 *
 * A disk that exists is never changed. Return: 0, or -errno with @failure filled.
 */
int storage_prepare(const struct guest_config *config, struct storage *ret_storage,
		    struct failure *failure);

/**
 * storage_imagine() - What storage_prepare() would find, or make: nothing is made, and what would
 * be is said in warnings.
 *
 * A UUID that there is not yet stays empty. Return: as above.
 */
int storage_imagine(const struct guest_config *config, struct storage *ret_storage,
		    struct failure *failure);

void storage_clear(struct storage *storage);
