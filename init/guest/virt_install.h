/* What is done to a guest that is being installed, in the worker's thread. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_press_key() - Press a key for the medium, which asks for one, unless it has been booted.
 * @result: booted is filled
 *
 * Return: 0, or -EIO with libvirt's last error set.
 */
int virt_press_key(virDomain *domain, const struct plan *plan, struct virt_result *result);

/** virt_eject_answers() - Take the CD with the answers out. Return: likewise. */
int virt_eject_answers(virDomain *domain, const struct plan *plan);
