/* How big the guest is: its memory and processors, from what is asked for and what there is. */
#pragma once

#include "lib/allowance.h"
#include "lib/config.h"
#include "lib/failure.h"

struct size {
	uint64_t memory; /* MiB */
	unsigned cpus;
	unsigned tb_cache; /* MiB of translated code that QEMU keeps; 0: its own choice */
};

/**
 * size_decide() - Choose the size, say what was chosen, warn of what may go wrong.
 * @kvm: not under emulation
 * @ret_size: filled on success
 *
 * Return: 0, or -errno with @failure filled when a guest of that size would be killed.
 */
int size_decide(const struct config *config, const struct allowance *allowance, bool kvm,
		struct size *ret_size, struct failure *failure);
