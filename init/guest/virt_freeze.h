/* The jobs of a guest that is frozen, and of one that went on from a state: see frozen.h. They run
 * in the worker's thread. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_freeze() - Freeze the guest for clones, which is off then.
 *
 * Return: 0, with the directory in @result's text, or -EIO with text or libvirt's error; the guest
 * goes on then, unless it could not be loaded again, which the text says.
 */
int virt_freeze(struct virt *virt, struct virt_result *result);

/** virt_wake_up() - Through the guest agent: let a guest's file systems go on that were frozen with
 * it, and set its clock. Return: 0, or -EIO with libvirt's error of the clock. */
int virt_wake_up(struct virt *virt);
