/* The jobs that have to do with a saved state: see state.h. They run in the worker's thread. */
#pragma once

#include "init/guest/frozen.h"
#include "init/guest/host.h"
#include "init/guest/virt.h"

/** virt_state_facts() - What a state of the guest has to go with, now. Return: 0 or -errno with
 * @result's text filled. */
int virt_state_facts(const struct virt *virt, struct state_facts *facts,
		     struct virt_result *result);

/** virt_save() - Save the guest, which is off then. Return: 0, or -EIO with text or libvirt's
 * error. */
int virt_save(struct virt *virt, struct virt_result *result);

/** virt_restore() - Go on from the saved state. Return: 0, or -EIO likewise; the guest is off. */
int virt_restore(struct virt *virt, struct virt_result *result);

/**
 * virt_frozen_facts() - What the state of a frozen guest goes with here.
 * @processor: for the facts to point to
 *
 * Return: 0, or -EIO likewise.
 */
int virt_frozen_facts(const struct virt *virt, char processor[static HOST_PROCESSOR_SIZE],
		      struct frozen_facts *facts, struct virt_result *result);

/** virt_create() - Boot from the disk; a state that there may be does not go with it any more. */
int virt_create(const struct virt *virt);

/** virt_resume() - Let the processors run. One that was just loaded uses its state up. */
int virt_resume(struct virt *virt, struct virt_result *result);
