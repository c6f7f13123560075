/* What is to run: everything that is decided before libvirtd is asked for anything. */
#pragma once

#include "init/guest/claim.h"
#include "init/guest/install.h"
#include "init/guest/size.h"
#include "init/guest/state.h"
#include "init/guest/storage.h"
#include "lib/config.h"
#include "lib/netinfo.h"

struct plan {
	const struct config *config;
	char *name;	     /* of the domain */
	char *verbatim;	     /* the text of [guest] xml; NULL: casement builds it */
	char *verbatim_uuid; /* the one in it; NULL: there is none */
	bool network;	     /* netinfo is there */
	struct netinfo netinfo;
	struct state state; /* saved beside the disk; without a name for an XML of one's own */
	struct install install;
	bool prepared; /* the rest is filled */
	bool kvm;
	struct size size; /* of the guest */
	struct storage storage;
	struct claim claim; /* on the disk */
};

/**
 * plan_begin() - Read what is needed to find a guest that runs already: its name, and the network.
 * @netinfo: path, NETINFO_FILE
 *
 * Return: 0, or -errno with @failure filled.
 */
int plan_begin(struct plan *plan, const struct config *config, const char *netinfo,
	       struct failure *failure);

/**
 * plan_prepare() - Decide and make the rest, for a guest that is to start. Once done it does
 * nothing.
 */
int plan_prepare(struct plan *plan, struct failure *failure);

/**
 * plan_keep_claim() - Claim the disk of a guest that runs already: the casement-guest that started
 * it is gone, and its lock with it. While that is not to be had QEMU's own locks guard the disk.
 */
void plan_keep_claim(struct plan *plan);

void plan_clear(struct plan *plan);
