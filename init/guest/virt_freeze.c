/*
 * Freezing. libvirt saves the guest, whose QEMU is gone then, and so nobody writes to its disk
 * while that is copied. Where anything fails the guest is loaded again from what was just saved: it
 * has only stood still for a while.
 *
 * Where there is an agent, file systems are frozen before: a clone that cannot go on from the
 * memory boots from a disk that is as after a shutdown, and not as after a power cut.
 */
#include "init/guest/virt_freeze.h"

#include "init/guest/frozen.h"
#include "init/guest/virt_state.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

/* An agent that lives answers in some milliseconds. */
#define AGENT_SECONDS 1

/** check_room() - For the memory and the disk, at worst. Return: 0, or -ENOSPC with @result's text
 * filled. */
static int check_room(const struct virt *virt, const char *directory, struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	uint64_t needed = plan->size.memory << 20;
	struct statvfs room;
	struct stat status;

	if (stat(plan->storage.disk.links[0].path, &status) == 0)
		needed += (uint64_t)status.st_blocks * 512;
	if (statvfs(directory, &room) || (uint64_t)room.f_bavail * room.f_frsize >= needed)
		return 0;
	snprintf(result->text, sizeof(result->text),
		 "%s has room for %llu MiB, and up to %llu MiB are needed", directory,
		 (unsigned long long)((uint64_t)room.f_bavail * room.f_frsize >> 20),
		 (unsigned long long)(needed >> 20));
	return -ENOSPC;
}

/** go_on() - Load the guest again. What led here stays in @result's text. */
static void go_on(struct virt *virt, const struct frozen *frozen, struct virt_result *result)
{
	size_t used = strlen(result->text);

	if (virDomainRestore(virt->connect, frozen->state) < 0)
		snprintf(result->text + used, sizeof(result->text) - used,
			 "; and it cannot go on: %s", virGetLastErrorMessage());
	else
		virDomainFSThaw(virt->domain, NULL, 0, 0);
}

/** seal() - The guest is off: make what was saved one to go on from. Return: 0, or -EIO with
 * @result's text filled. */
static int seal(const struct virt *virt, struct frozen *frozen, const struct frozen_facts *facts,
		struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	const char *base = plan->config->guest.base;

	return frozen_seal(frozen, base, &plan->storage, facts, sizeof(result->text),
			   result->text) ||
			       frozen_publish(frozen, base, sizeof(result->text), result->text)
		       ? -EIO
		       : 0;
}

/** save() - Return: 0, or -EIO with @result's text filled; then the guest goes on. */
static int save(struct virt *virt, const struct frozen *frozen, struct virt_result *result)
{
	/* Without an agent that can do it there is nothing to be done. */
	virDomainFSFreeze(virt->domain, NULL, 0, 0);
	virResetLastError();
	if (virDomainSaveFlags(virt->domain, frozen->state, NULL, VIR_DOMAIN_SAVE_RUNNING) == 0)
		return 0;
	snprintf(result->text, sizeof(result->text), "%s", virGetLastErrorMessage());
	virDomainFSThaw(virt->domain, NULL, 0, 0);
	return -EIO;
}

int virt_freeze(struct virt *virt, struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	char processor[HOST_PROCESSOR_SIZE];
	struct frozen_facts facts;
	struct frozen frozen;
	int error;

	if (virt_frozen_facts(virt, processor, &facts, result) ||
	    frozen_begin(plan->config->guest.base, &frozen, sizeof(result->text), result->text))
		return -EIO;
	error = check_room(virt, frozen.directory, result);
	if (error == 0)
		error = save(virt, &frozen, result);
	if (error == 0) {
		error = seal(virt, &frozen, &facts, result);
		if (error)
			go_on(virt, &frozen, result);
	}
	if (error) {
		frozen_remove(&frozen);
	} else {
		/* So that this container, too, goes on where it stopped; if not, it boots. */
		state_adopt(&plan->state, frozen.directory, &plan->storage.disk);
		snprintf(result->text, sizeof(result->text), "%s", frozen.directory);
	}
	frozen_clear(&frozen);
	return error ? -EIO : 0;
}

/** is_silent() - Did the agent not answer? Then it would not answer the next question, either. */
static bool is_silent(void)
{
	return virGetLastErrorCode() == VIR_ERR_AGENT_UNRESPONSIVE;
}

int virt_wake_up(struct virt *virt)
{
	struct timespec now;

	/* While it is waited for nothing else can be done, a stop for instance. */
	virDomainAgentSetResponseTimeout(virt->domain, AGENT_SECONDS, 0);
	/* Most agents that were not asked to freeze have nothing to thaw. */
	if (virDomainFSThaw(virt->domain, NULL, 0, 0) < 0 && is_silent())
		return -EIO;
	virResetLastError();
	clock_gettime(CLOCK_REALTIME, &now);
	return virDomainSetTime(virt->domain, now.tv_sec, (unsigned)now.tv_nsec, 0);
}
