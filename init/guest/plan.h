/* What is to run: everything that is decided before libvirtd is asked for anything. */
#pragma once

#include "init/guest/claims.h"
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
	uint64_t page;	      /* bytes of each huge page; 0: ordinary memory */
	struct claims claims; /* on the disks */
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
 * plan_imagine() - What plan_begin() and plan_prepare() would find and make, without making it, for
 * looking at. What has to be assumed is said in warnings.
 *
 * Return: 0, or -errno with @failure filled. Either way @plan is to be freed with plan_clear().
 */
int plan_imagine(struct plan *plan, const struct config *config, const char *netinfo,
		 struct failure *failure);

/**
 * plan_check_host() - Has the host what a guest that starts now needs, beside its disks?
 *
 * To be asked before each start only: a guest that runs has it already. Return: 0, or -errno with
 * @failure filled.
 */
int plan_check_host(const struct plan *plan, struct failure *failure);

/** plan_read_xml() - A part of plan_begin(): the file of [guest] xml. */
int plan_read_xml(struct plan *plan, struct failure *failure);

/** plan_decide_size() - A part of plan_prepare(): how big the guest becomes. */
int plan_decide_size(struct plan *plan, struct failure *failure);

/**
 * plan_keep_claim() - Claim the disks of a guest that runs already: the casement-guest that started
 * it is gone, and its locks with it. While those are not to be had QEMU's own locks guard the
 * disks.
 */
void plan_keep_claim(struct plan *plan);

void plan_clear(struct plan *plan);
