/* The claims on every disk that the guest writes to: its own, and those of [device] sections. */
#pragma once

#include "init/guest/claim.h"
#include "lib/config.h"
#include "lib/failure.h"

struct claims {
	struct claim of[1 + CONFIG_MAX_DEVICES]; /* [guest] disk; each device, in order */
};

/**
 * claims_take() - The disks are ours alone, or the guest does not start. What is held already
 * stays.
 *
 * Return: 0, or -EBUSY with @failure filled.
 */
int claims_take(struct claims *claims, const struct config *config, struct failure *failure);

/** claims_keep() - Claim what a guest uses that runs already. What is not to be had is a warning.
 */
void claims_keep(struct claims *claims, const struct config *config);

void claims_drop(struct claims *claims);
