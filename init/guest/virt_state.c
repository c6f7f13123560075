/*
 * Saving and going on. libvirt writes and reads the file as root and hands QEMU an open descriptor,
 * so nobody else has to reach it, and it belongs to root all the time.
 *
 * The guest goes on with the definition in the file, which has what libvirt chose at its start
 * (the firmware, the machine's version). It could be given ours to compare, and libvirt 9.0 would
 * not choose a firmware for that. So ours is compared by state.h with what it was.
 */
#include "init/guest/virt_state.h"

#include "init/guest/define.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

/** find_facts() - What a state has to go with. Return: 0 or -errno with @result's text filled. */
static int find_facts(const struct virt *virt, struct state_facts *facts,
		      struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	autofree char *xml = NULL;
	int error = define_describe(virt->connect, plan, &xml, result->text, sizeof(result->text));

	if (error)
		return error;
	*facts = (struct state_facts){ .disk = &plan->storage.disk,
				       .drives = plan->storage.drives,
				       .n_drives = plan->storage.n_drives,
				       .definition = digest(xml),
				       .kvm = plan->kvm,
				       .address = plan->netinfo.guest_address };
	return 0;
}

int virt_save(struct virt *virt, struct virt_result *result)
{
	const struct state *state = &virt->plan->state;
	struct state_facts facts;

	if (find_facts(virt, &facts, result))
		return -EIO;
	/* There is none that goes with a guest that runs; what is left of one is in the way. */
	state_discard(state);
	if (virDomainSaveFlags(virt->domain, state->partial, NULL, 0) < 0)
		return -EIO;
	return state_commit(state, &facts, sizeof(result->text), result->text) ? -EIO : 0;
}

int virt_resume(struct virt *virt, struct virt_result *result)
{
	int error = state_consume(&virt->plan->state);

	if (error) {
		snprintf(result->text, sizeof(result->text), "%s cannot be removed: %s",
			 virt->plan->state.manifest, strerror(-error));
		return -EIO;
	}
	if (virDomainResume(virt->domain) < 0)
		return -EIO;
	state_discard(&virt->plan->state);
	return 0;
}

int virt_restore(struct virt *virt, struct virt_result *result)
{
	const struct state *state = &virt->plan->state;
	struct state_facts facts;

	if (find_facts(virt, &facts, result) ||
	    state_claim(state, &facts, sizeof(result->text), result->text))
		return -EIO;
	if (virDomainRestoreFlags(virt->connect, state->image, NULL, VIR_DOMAIN_SAVE_PAUSED) < 0)
		return -EIO;
	if (virt_resume(virt, result) == 0)
		return 0;
	if (!result->text[0])
		snprintf(result->text, sizeof(result->text), "%s", virGetLastErrorMessage());
	/* It has never run: nothing is lost. Where the connection is gone, look() finds it. */
	virDomainDestroyFlags(virt->domain, VIR_DOMAIN_DESTROY_DEFAULT);
	return -EIO;
}

int virt_create(const struct virt *virt)
{
	/* If that fails it is the disk's time that keeps them apart. */
	state_discard(&virt->plan->state);
	return virDomainCreateWithFlags(virt->domain, 0);
}
