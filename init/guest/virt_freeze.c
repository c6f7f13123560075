/*
 * Freezing. libvirt saves the guest, whose QEMU is gone then, and so nobody writes to its disk
 * while that is copied. From the moment it is saved until there is a frozen guest that is whole, it
 * has a saved state like any other (state.h), whose file is in the directory that is being filled:
 * whatever fails and whoever dies meanwhile, it is loaded again from there, and has only stood
 * still for a while.
 *
 * Where there is an agent, file systems are frozen before: a clone that cannot go on from the
 * memory boots from a disk that is as after a shutdown, and not as after a power cut.
 */
#include "init/guest/virt_freeze.h"

#include "init/guest/frozen.h"
#include "init/guest/tree.h"
#include "init/guest/virt_state.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

/* An agent that lives answers in some milliseconds. */
#define AGENT_SECONDS 1
/* Windows gives its programs as long to bring their files into order (VSS). */
#define FREEZE_SECONDS 60

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
	virDomainAgentSetResponseTimeout(virt->domain, FREEZE_SECONDS, 0);
	/* Without an agent that can do it there is nothing to be done. */
	virDomainFSFreeze(virt->domain, NULL, 0, 0);
	virResetLastError();
	if (virDomainSaveFlags(virt->domain, frozen->state, NULL, VIR_DOMAIN_SAVE_RUNNING) == 0)
		return 0;
	snprintf(result->text, sizeof(result->text), "%s", virGetLastErrorMessage());
	virDomainFSThaw(virt->domain, NULL, 0, 0);
	return -EIO;
}

/** save_and_seal() - Return: 0, or -EIO with @result's text filled. */
static int save_and_seal(struct virt *virt, struct frozen *frozen, const struct frozen_facts *facts,
			 struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	struct state_facts kept;
	int error = check_room(virt, frozen->directory, result);

	if (error == 0)
		error = virt_state_facts(virt, &kept, result);
	if (error == 0)
		error = save(virt, frozen, result);
	if (error) {
		frozen_remove(frozen);
		return -EIO;
	}
	/* If that does not work the rest has to. */
	state_keep(&plan->state, frozen->state, &kept);
	if (seal(virt, frozen, facts, result))
		return -EIO;
	/* So that this container, too, goes on where it stopped; if not, it boots. */
	state_adopt(&plan->state, frozen->directory, plan->storage.disk.links[0].path,
		    plan->storage.disk.links[0].path);
	snprintf(result->text, sizeof(result->text), "%s", frozen->directory);
	return 0;
}

int virt_freeze(struct virt *virt, struct virt_result *result)
{
	char processor[HOST_PROCESSOR_SIZE];
	struct frozen_facts facts;
	struct frozen frozen;
	int error;

	if (virt_frozen_facts(virt, processor, &facts, result) ||
	    frozen_begin(virt->plan->config->guest.base, &frozen, sizeof(result->text),
			 result->text))
		return -EIO;
	error = save_and_seal(virt, &frozen, &facts, result);
	frozen_clear(&frozen);
	return error;
}

/** is_older() - Was @path last written before @other was? Of one that is not there nobody knows. */
static bool is_older(const char *path, const char *other)
{
	struct stat status, others;

	if (stat(path, &status) || stat(other, &others))
		return true;
	return status.st_mtim.tv_sec < others.st_mtim.tv_sec ||
	       (status.st_mtim.tv_sec == others.st_mtim.tv_sec &&
		status.st_mtim.tv_nsec < others.st_mtim.tv_nsec);
}

int virt_keep_unfinished(const struct virt *virt, const struct state_facts *facts,
			 struct virt_result *result)
{
	const struct plan *plan = virt->plan;
	autofree char *directory = NULL;
	struct frozen frozen;
	int error = -ENOENT;

	if (state_pending(&plan->state))
		return 0;
	directory = frozen_unfinished(plan->config->guest.base);
	if (directory && frozen_open(directory, &frozen) == 0) {
		/* An older one is that of a guest that went on. */
		error = is_older(frozen.state, plan->storage.disk.links[0].path)
				? -ESTALE
				: state_keep(&plan->state, frozen.state, facts);
		frozen_clear(&frozen);
	}
	if (error)
		snprintf(result->text, sizeof(result->text),
			 "what a freeze has left that was cut off cannot be used: %s",
			 strerror(-error));
	return error;
}

void virt_drop_unfinished(const struct virt *virt)
{
	const char *base = virt->plan->config->guest.base;
	autofree char *directory = base ? frozen_unfinished(base) : NULL;

	if (directory)
		tree_remove(directory);
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
