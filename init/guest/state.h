/*
 * The guest's memory and devices as a file beside its disk: what it is called, when it is whole,
 * what it fits, and that it is used once.
 *
 * Three files, all named after the disk: DISK.state.new while libvirt writes it, DISK.state, and
 * DISK.state.manifest, which says what it depends on. The manifest is the one that counts: it comes
 * last and goes first, so a state without it is a remainder.
 */
#pragma once

#include "init/guest/drive.h"

#include <netinet/in.h>

struct state {
	char *image;   /* written and read by libvirt; NULL: there is no disk of ours to go with */
	char *partial; /* the same, while it is being written */
	char *manifest;
	char *tries; /* as long as the number of times that it was tried */
};

/* What a state goes with, beside what libvirt and QEMU check by themselves. */
struct state_facts {
	const struct disk *disk;
	const struct drive *drives; /* beside it */
	size_t n_drives;
	uint64_t definition;	/* digest of the domain's XML */
	bool kvm;		/* the guest saw the host's processor */
	struct in_addr address; /* that the guest believes to have */
};

/** state_init() - The names, for a guest with the disk at @disk. Return: 0 or -ENOMEM. */
int state_init(struct state *state, const char *disk);

void state_clear(struct state *state);

/** state_pending() - Is there one that nobody has gone on from? */
bool state_pending(const struct state *state);

/** state_loaded() - Was a guest that stands still loaded from one, and has not run since? */
bool state_loaded(const struct state *state);

/** state_size() - Bytes; 0 if there is none. */
uint64_t state_size(const struct state *state);

/**
 * state_claim() - May the guest go on from it? Counts as one try. Of the state of a frozen guest
 * only the disk is looked at; the rest is frozen_fits()'s.
 * @ret_reason: if not, what is wrong, as a sentence
 *
 * Return: 0 or -errno.
 */
int state_claim(const struct state *state, const struct state_facts *facts, size_t size,
		char *ret_reason);

/**
 * state_consume() - Nobody can go on from it any more, not even after a power cut; nothing to do if
 * there is none.
 *
 * To be called when the guest has been loaded from it, and before it runs.
 *
 * Return: 0 or -errno; then the guest must not run.
 */
int state_consume(const struct state *state);

/**
 * state_adopt() - Let a disk go on from the state of a frozen guest: it was just made from that
 * one's disk, or is the one that was frozen.
 * @directory: the frozen guest's
 * @file: where the disk is; that may be before it gets its name
 *
 * Return: 0 or -errno.
 */
int state_adopt(const struct state *state, const char *directory, const char *disk,
		const char *file);

/**
 * state_keep() - Let the guest go on from the state that it was saved to in @file, somewhere else:
 * a freeze has begun, and nothing may be lost until it is complete.
 *
 * Return: 0 or -errno.
 */
int state_keep(const struct state *state, const char *file, const struct state_facts *facts);

/**
 * state_frozen() - The directory of the frozen guest that the state is of.
 *
 * Return: allocated; NULL: it is of this guest alone.
 */
char *state_frozen(const struct state *state);

/** state_discard() - The same, and what is left of it is removed. Return: 0 or -errno. */
int state_discard(const struct state *state);

/**
 * state_commit() - Make what was written to state->partial the state of the guest, for good.
 * @ret_reason: on failure what went wrong, as a sentence
 *
 * The guest must be off: from here on its disk is what it is now.
 *
 * Return: 0 or -errno.
 */
int state_commit(const struct state *state, const struct state_facts *facts, size_t size,
		 char *ret_reason);

/**
 * state_goes_with() - Can a running guest be saved so that this disk goes with it?
 * @ret_reason: if not, why
 *
 * Return: 0 or -errno.
 */
int state_goes_with(const struct disk *disk, size_t size, char *ret_reason);
