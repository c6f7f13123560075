/*
 * What libvirt says that this host and this QEMU can do for a guest: the part of it that casement
 * decides by. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Hyper-V enlightenments that casement knows how to ask for; bits of capabilities.hyperv. */
enum hyperv_feature {
	HYPERV_RELAXED,
	HYPERV_VAPIC,
	HYPERV_SPINLOCKS,
	HYPERV_VPINDEX,
	HYPERV_RUNTIME,
	HYPERV_SYNIC,
	HYPERV_STIMER,
	HYPERV_RESET,
	HYPERV_FREQUENCIES,
	HYPERV_REENLIGHTENMENT,
	HYPERV_TLBFLUSH,
	HYPERV_IPI,
	N_HYPERV_FEATURES
};

#define HYPERV_BIT(feature) (1U << (feature))

struct capabilities {
	uint32_t hyperv; /* a set that is complete: what a feature depends on is in it too */
};

/** hyperv_name() - The element's name in a domain XML, and the value's in the capabilities. */
const char *hyperv_name(enum hyperv_feature feature);

/** hyperv_close() - Take those features out of @offered that lack one they depend on. */
uint32_t hyperv_close(uint32_t offered);

/**
 * capabilities_parse() - Read the answer of virConnectGetDomainCapabilities().
 * @xml: a document
 *
 * What is not in it counts as not offered. Return: 0, or -EBADMSG if it is not such a document.
 */
int capabilities_parse(const char *xml, struct capabilities *ret_capabilities);
