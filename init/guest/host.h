/* What the host gives to a guest: hardware virtualisation. */
#pragma once

#include "init/guest/failure.h"
#include "lib/config.h"

#define HOST_KVM "/dev/kvm"

/**
 * host_accel() - Decide between KVM and emulation.
 * @device: HOST_KVM
 * @ret_kvm: filled on success
 *
 * Return: 0, or -errno with @failure filled: nobody gets slow emulation without asking for it.
 */
int host_accel(enum accel accel, const char *device, bool *ret_kvm, struct failure *failure);
