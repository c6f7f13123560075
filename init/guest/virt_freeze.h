/* The jobs of a guest that is frozen, and of one that went on from a state: see frozen.h. They run
 * in the worker's thread. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_freeze() - Freeze the guest for clones, which is off then.
 *
 * Return: 0, with the directory in @result's text, or -EIO with text or libvirt's error. Then the
 * guest goes on, or it is off and there is a state to go on from: state_pending().
 */
int virt_freeze(struct virt *virt, struct virt_result *result);

/**
 * virt_keep_unfinished() - The guest is off: let it go on from what it was saved to by a freeze
 * that nobody has finished, unless there is a state already.
 *
 * Return: 0, or -errno with @result's text filled: there is none that goes with the disk.
 */
int virt_keep_unfinished(const struct virt *virt, const struct state_facts *facts,
			 struct virt_result *result);

/** virt_drop_unfinished() - It runs: nobody needs what such a freeze has left. */
void virt_drop_unfinished(const struct virt *virt);

/** virt_wake_up() - Through the guest agent: let a guest's file systems go on that were frozen with
 * it, and set its clock. Return: 0, or -EIO with libvirt's error of the clock. */
int virt_wake_up(struct virt *virt);
