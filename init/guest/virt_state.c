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
#include "init/guest/virt_freeze.h"
#include "init/guest/xml_rebase.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <string.h>

int virt_state_facts(const struct virt *virt, struct state_facts *facts, struct virt_result *result)
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

	if (virt_state_facts(virt, &facts, result))
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

int virt_frozen_facts(const struct virt *virt, char processor[static HOST_PROCESSOR_SIZE],
		      struct frozen_facts *facts, struct virt_result *result)
{
	struct plan bare = *virt->plan;
	autofree char *xml = NULL;
	int error;

	/* A clone's disk has one image more below it, and its generation is its own. */
	bare.storage.disk.n = 1;
	bare.storage.disk.direct = false; /* no guest sees it */
	bare.storage.identity.generation[0] = '\0';
	error = define_describe(virt->connect, &bare, &xml, result->text, sizeof(result->text));
	if (error)
		return error;
	*facts = (struct frozen_facts){ .definition = digest(xml),
					.processor = processor,
					.address = bare.netinfo.guest_address };
	snprintf(processor, HOST_PROCESSOR_SIZE, "%s", bare.kvm ? "as configured" : "emulated");
	if (bare.kvm && streq(bare.config->guest.cpu, CPU_HOST))
		host_processor(processor);
	if (virConnectGetVersion(virt->connect, &facts->qemu) < 0 ||
	    virConnectGetLibVersion(virt->connect, &facts->libvirt) < 0)
		return -EIO;
	return 0;
}

struct state_check {
	const struct frozen *frozen;
	int result;
};

static void *check_state(void *context)
{
	struct state_check *check = context;

	check->result = frozen_check_state(check->frozen);
	return NULL;
}

/** load_rebased() - Load a frozen guest, paused, onto this container's disk. */
static int load_rebased(struct virt *virt, const struct frozen *frozen, struct virt_result *result)
{
	autofree char *saved = virDomainSaveImageGetXMLDesc(virt->connect, frozen->state,
							    VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
	autofree char *xml = NULL;
	int error = saved ? xml_rebase(saved, &virt->plan->storage.disk, &xml) : -EIO;

	if (saved && error)
		snprintf(result->text, sizeof(result->text), "its definition has no disk %s",
			 virt->plan->storage.disk.links[0].path);
	if (error)
		return -EIO;
	return virDomainRestoreFlags(virt->connect, frozen->state, xml, VIR_DOMAIN_SAVE_PAUSED) < 0
		       ? -EIO
		       : 0;
}

/** load_frozen() - The same; while QEMU reads the state it is checked for damage, by another
 * thread, which costs no more than the faster of both. */
static int load_frozen(struct virt *virt, const struct frozen *frozen, struct virt_result *result)
{
	struct state_check check = { .frozen = frozen };
	char processor[HOST_PROCESSOR_SIZE];
	struct frozen_facts facts;
	pthread_t thread;
	bool apart;
	int error = virt_frozen_facts(virt, processor, &facts, result);

	if (error == 0)
		error = frozen_fits(frozen, &facts, sizeof(result->text), result->text);
	if (error)
		return -EIO;
	apart = pthread_create(&thread, NULL, check_state, &check) == 0;
	if (!apart)
		check_state(&check);
	error = apart || check.result == 0 ? load_rebased(virt, frozen, result) : -EIO;
	if (apart)
		pthread_join(thread, NULL);
	if (check.result == 0)
		return error;
	snprintf(result->text, sizeof(result->text), "%s is damaged: %s", frozen->state,
		 check.result == -EBADMSG ? "its checksum is another one"
					  : strerror(-check.result));
	/* It has never run: nothing is lost. */
	if (error == 0)
		virDomainDestroyFlags(virt->domain, VIR_DOMAIN_DESTROY_DEFAULT);
	return -EIO;
}

/** load() - Load the guest, paused. Return: 0, or -EIO with text or libvirt's error; the guest is
 * off. */
static int load(struct virt *virt, struct virt_result *result)
{
	const struct state *state = &virt->plan->state;
	autofree char *directory = state_frozen(state);
	struct frozen frozen;
	int error;

	if (!directory)
		return virDomainRestoreFlags(virt->connect, state->image, NULL,
					     VIR_DOMAIN_SAVE_PAUSED) < 0
			       ? -EIO
			       : 0;
	if (frozen_open(directory, &frozen))
		return -EIO;
	error = load_frozen(virt, &frozen, result);
	frozen_clear(&frozen);
	return error;
}

int virt_restore(struct virt *virt, struct virt_result *result)
{
	const struct state *state = &virt->plan->state;
	struct state_facts facts;

	if (virt_state_facts(virt, &facts, result) || virt_keep_unfinished(virt, &facts, result) ||
	    state_claim(state, &facts, sizeof(result->text), result->text))
		return -EIO;
	if (load(virt, result))
		return -EIO;
	if (virt_resume(virt, result) == 0) {
		virt_drop_unfinished(virt);
		return 0;
	}
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
