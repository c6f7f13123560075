/* Telling libvirtd what the guest is. */
#pragma once

#include "init/guest/plan.h"

#include <libvirt/libvirt.h>

/**
 * define_describe() - The domain XML that casement makes for the guest of @plan.
 * @connect: NULL: assume that KVM has every Hyper-V enlightenment
 * @ret_text: filled when the reason of a failure is not libvirt's last error
 *
 * Return: 0 or -errno.
 */
int define_describe(virConnect *connect, const struct plan *plan, char **ret_xml, char *ret_text,
		    size_t size);

/**
 * define_domain() - Define the guest of @plan, or define it anew, with validation.
 * @ret_domain: the domain; one that it held before is freed
 * @ret_text: filled when the reason of a failure is not libvirt's last error
 *
 * Return: 0 or -errno.
 */
int define_domain(virConnect *connect, const struct plan *plan, virDomain **ret_domain,
		  char *ret_text, size_t size);
