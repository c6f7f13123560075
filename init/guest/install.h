/*
 * An installation that is under way: what casement-image made ready, [guest] iso. It ends when what
 * was installed answers for the first time.
 */
#pragma once

#include "init/guest/storage.h"

struct install {
	bool under_way;
	char *answers; /* path of the CD with the answers; NULL: there is none, or none any more */
};

/**
 * install_find() - Is the guest's disk being installed?
 * @ret_install: to be freed with install_clear()
 *
 * Return: 0 or -ENOMEM.
 */
int install_find(const struct guest_config *config, struct install *ret_install);

/** install_imagine() - The same, for looking at: one that a start would begin is under way. */
int install_imagine(const struct guest_config *config, struct install *ret_install);

/**
 * install_hand_over() - Give the answers, if there are any, to QEMU's user and to nobody else.
 *
 * Return: 0, or -errno with @failure filled.
 */
int install_hand_over(const struct install *install, struct failure *failure);

/**
 * install_attach() - Add its CDs to the guest's drives: the medium, which is tried after the disk,
 * the answers, the drivers.
 *
 * Does nothing if none is under way, but say so where somebody may expect one. Return: 0, or -errno
 * with @failure filled.
 */
int install_attach(const struct install *install, const struct guest_config *config,
		   struct storage *storage, struct failure *failure);

/** install_finish() - It is done: no mark any more, and no password. Return: 0 or -errno. */
int install_finish(struct install *install, const struct guest_config *config);

void install_clear(struct install *install);
