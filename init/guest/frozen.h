/*
 * A frozen guest: its memory, devices, disk, firmware variables and TPM at one moment, in a
 * directory of the image, from which any number of containers go on.
 *
 * BASE.frozen is a link to the newest one; BASE is [guest] base, whether that exists or not. It
 * changes in one step and last, so there is never half a frozen guest. Older ones stay: the disk of
 * a clone's clone is an overlay on the disk before.
 */
#pragma once

#include "init/guest/storage.h"
#include "lib/config.h"
#include "lib/failure.h"

#include <netinet/in.h>

struct frozen {
	char *directory;
	/* Below it: */
	char *disk;
	char *state;	/* libvirt's */
	char *nvram;	/* only with UEFI */
	char *tpm;	/* only with a TPM */
	char *manifest; /* what it consists of, and what the state goes with */
};

/* What a state goes with, beside the disk. */
struct frozen_facts {
	uint64_t definition;	     /* digest of the domain's XML, with no image below the disk */
	unsigned long qemu, libvirt; /* versions, as libvirt counts them */
	const char *processor;
	struct in_addr address; /* that the guest believes to have */
};

/**
 * frozen_find() - The one that new disks are made from.
 * @ret_frozen: to be freed with frozen_clear()
 *
 * Return: 0, -ENOENT if there is none, or -errno with @failure filled.
 */
int frozen_find(const char *base, struct frozen *ret_frozen, struct failure *failure);

/** frozen_open() - That of a directory. Return: 0 or -ENOMEM. */
int frozen_open(const char *directory, struct frozen *ret_frozen);

void frozen_clear(struct frozen *frozen);

/**
 * frozen_check_disk() - Is the disk the one that was frozen?
 * @ret_uuid: of the guest
 *
 * Return: 0, or -errno with @failure filled: then no guest must run on it.
 */
int frozen_check_disk(const struct frozen *frozen, const struct disk *disk,
		      char ret_uuid[static IDENTITY_UUID_SIZE], struct failure *failure);

/** frozen_unpack() - Copy what a clone has for itself, firmware variables and TPM, to where its
 * storage has them; what is there stays. Return: 0, or -errno with @failure filled. */
int frozen_unpack(const struct frozen *frozen, const struct storage *storage,
		  struct failure *failure);

/**
 * frozen_fits() - May a guest go on from the state here?
 * @ret_reason: if not, what is wrong, as a sentence
 *
 * Return: 0 or -errno.
 */
int frozen_fits(const struct frozen *frozen, const struct frozen_facts *facts, size_t size,
		char *ret_reason);

/** frozen_check_state() - Read the whole state: is it what was written? May be called in a thread
 * of its own. Return: 0, -EBADMSG, or -errno. */
int frozen_check_state(const struct frozen *frozen);

/**
 * frozen_begin() - Make a directory for a new one; remains of others that were never finished are
 * removed.
 *
 * Return: 0, or -errno with @ret_reason, a sentence.
 */
int frozen_begin(const char *base, struct frozen *ret_frozen, size_t size, char *ret_reason);

/** frozen_unfinished() - The directory of one that is being made or never was finished; allocated.
 * NULL: there is none. */
char *frozen_unfinished(const char *base);

/**
 * frozen_seal() - The guest is off, and its state is written: copy its disk and what belongs to
 * it, and write the manifest. May take as long as copying a disk does.
 *
 * What is below the disk and in the image, beside @base, stays there; the rest is copied, too.
 *
 * Return: 0, or -errno with @ret_reason.
 */
int frozen_seal(const struct frozen *frozen, const char *base, const struct storage *storage,
		const struct frozen_facts *facts, size_t size, char *ret_reason);

/** frozen_publish() - Make it the one that frozen_find() finds; its paths change. Return: 0, or
 * -errno with @ret_reason. */
int frozen_publish(struct frozen *frozen, const char *base, size_t size, char *ret_reason);

/** frozen_remove() - Remove one that was not published. */
void frozen_remove(const struct frozen *frozen);
