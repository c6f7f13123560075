/* The events of libvirt, put into the inbox in casement's own words. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_events_register() - Listen to everything about the guest on the new connection
 * @virt->connect.
 *
 * Return: 0, or -EIO with libvirt's last error set.
 */
int virt_events_register(struct virt *virt);

/** virt_events_deregister() - So that the old connection can be freed. */
void virt_events_deregister(struct virt *virt);

/**
 * virt_pause_reason() - Of a paused domain, virDomainPausedReason, as text; empty if there is
 * nothing to say.
 */
const char *virt_pause_reason(int reason);

/** virt_stopped_as() - Of a domain that is off, virDomainShutoffReason. */
enum stopped_as virt_stopped_as(int reason);
