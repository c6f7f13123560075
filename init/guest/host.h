/* What the host gives to a guest: hardware virtualisation. */
#pragma once

#include "lib/config.h"
#include "lib/failure.h"

/**
 * host_is_intel() - Is the processor Intel's?
 *
 * KVM offers the ARCH_CAPABILITIES register to guests on other processors too, which never have it:
 * Windows 11 24H2 and Server 2025 stop with UNSUPPORTED_PROCESSOR when they find it there. QEMU
 * hides it since 10.1.
 */
bool host_is_intel(void);

#define HOST_PROCESSOR_SIZE 160

/** host_processor() - What a guest that sees it may depend on, in one line: model and features. */
void host_processor(char ret_text[static HOST_PROCESSOR_SIZE]);

#define HOST_KVM "/dev/kvm"

/**
 * host_accel() - Decide between KVM and emulation.
 * @device: HOST_KVM
 * @ret_kvm: filled on success
 *
 * Return: 0, or -errno with @failure filled: nobody gets slow emulation without asking for it.
 */
int host_accel(enum accel accel, const char *device, bool *ret_kvm, struct failure *failure);
