/* Resuming a guest that a full file system has paused. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_resume_if_room() - Resume the guest if that is why it is paused, and there is room again.
 * @result: room and resumed are filled
 *
 * Return: 0, or -EIO with libvirt's last error set.
 */
int virt_resume_if_room(virDomain *domain, struct virt_result *result);
