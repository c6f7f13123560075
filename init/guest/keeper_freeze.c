/*
 * Freezing the guest, at PID 1's word. While the worker is at it nothing that is heard of the guest
 * or of its QEMU counts: it stops, and either that is the end or it goes on. A stop that is asked
 * for meanwhile waits for that.
 */
#include "init/guest/keeper_parts.h"

#include "init/guest/frozen.h"
#include "lib/log.h"

#include <libvirt/libvirt.h>

/* What libvirtd takes at most between QEMU's end and the word that the guest is saved. */
#define SAVED_PATIENCE_MS 10000

/** has_other_disks() - Does it write to disks that would not be frozen with it? */
static bool has_other_disks(const struct config *config)
{
	for (size_t i = 0; i < config->n_devices; i++) {
		if (config->devices[i].as == DEVICE_DISK && !config->devices[i].readonly)
			return true;
	}
	return false;
}

/** was_installed_here() - Has it the CDs of its installation still, which no clone has? */
static bool was_installed_here(const struct keeper *keeper)
{
	const struct config *config = keeper->config;
	size_t n = 0;

	for (size_t i = 0; i < config->n_devices; i++)
		n += config->devices[i].as == DEVICE_DISK || config->devices[i].as == DEVICE_CDROM;
	return keeper->plan->storage.n_drives > n;
}

/** refusal() - Why it cannot be frozen now; NULL: it can. */
static const char *refusal(struct keeper *keeper, struct failure *failure)
{
	if (keeper->plan->verbatim)
		return "its domain is one of your own ([guest] xml)";
	if (has_other_disks(keeper->config))
		return "it writes to more disks than its own ([device]), which clones cannot share";
	if (keeper->stop.requested)
		return "it is being stopped";
	if (keeper->life != LIFE_RUNNING || keeper->health.state == RDP_CLOSED ||
	    keeper->health.state == RDP_OPEN)
		return "it is not ready";
	if (!keeper->linked || keeper->worker.busy || keeper->wanted != VIRT_NOTHING)
		return "libvirtd is busy";
	/* A copy of another file than the one that QEMU has open would not go with the memory. */
	if (keeper_know_disk(keeper, failure) ||
	    !keeper_disks_go_with(keeper, sizeof(failure->text), failure->text))
		return failure->text;
	if (was_installed_here(keeper))
		return "it has the CDs of its installation still: restart the container first";
	return NULL;
}

/** set_freeze() - @reason: cut to what fits, on one line. */
static void set_freeze(struct keeper *keeper, enum freeze_state state, const char *reason)
{
	keeper->freeze = state;
	snprintf(keeper->freeze_reason, sizeof(keeper->freeze_reason), "%.*s",
		 (int)sizeof(keeper->freeze_reason) - 1, reason);
	for (char *at = keeper->freeze_reason; (at = strchr(at, '\n'));)
		*at = ' ';
}

/** refuse() - Nothing has been done to the guest. */
static void refuse(struct keeper *keeper, const char *why)
{
	log_warning("the guest is not frozen: %s", why);
	keeper->asking = false;
	set_freeze(keeper, FREEZE_FAILED, why);
	/* PID 1 takes it for running since it asked: the same words again are news. */
	keeper->report.last.freeze = FREEZE_RUNNING;
	keeper->report.last.freeze_reason[0] = '\0';
}

static void begin(struct keeper *keeper)
{
	log_info("freezing the guest, for clones");
	keeper->asking = false;
	keeper_rest(keeper);
	/* At once: a stop that came along with it would want the button instead. */
	worker_give(&keeper->worker, VIRT_FREEZE);
}

void keeper_freeze(struct keeper *keeper, bool force)
{
	struct failure failure;
	const char *why;

	if (keeper->freeze == FREEZE_RUNNING)
		return;
	why = refusal(keeper, &failure);
	if (why) {
		refuse(keeper, why);
		return;
	}
	set_freeze(keeper, FREEZE_RUNNING, "");
	if (force) {
		begin(keeper);
		return;
	}
	/* Meanwhile it is a guest like any other. */
	keeper->asking = true;
	worker_give(&keeper->worker, VIRT_ASK_WINDOWS);
}

void keeper_windows_asked(struct keeper *keeper, const struct virt_result *result)
{
	struct failure failure;
	const char *why = result->outcome == VIRT_DONE ? refusal(keeper, &failure) : result->text;

	if (result->outcome == VIRT_DONE && result->text[0])
		log_info("%s", result->text);
	if (why)
		refuse(keeper, why);
	else
		begin(keeper);
}

bool keeper_freezing(const struct keeper *keeper)
{
	return keeper->freeze == FREEZE_RUNNING && !keeper->asking;
}

void keeper_frozen(struct keeper *keeper, const struct virt_result *result)
{
	set_freeze(keeper, FREEZE_DONE, "");
	snprintf(keeper->frozen, sizeof(keeper->frozen), "%.*s", (int)sizeof(keeper->frozen) - 1,
		 result->text);
	keeper_end(keeper, EXIT_GUEST_OFF, "the guest is frozen in %s", result->text);
}

void keeper_not_frozen(struct keeper *keeper, const char *why)
{
	if (!keeper_freezing(keeper))
		return;
	set_freeze(keeper, FREEZE_FAILED, why);
	log_warning("the guest is not frozen: %s", keeper->freeze_reason);
	/* It may have none any more: then the look finds it saved, and it is loaded again. */
	keeper_drop_qemu(keeper);
	keeper_found_qemu(keeper);
	keeper_probe_start(keeper, true);
	/* It stood still, and where libvirtd was away nobody has thawed its file systems. */
	keeper->wake_up = true;
	if (keeper->linked)
		keeper->wanted = VIRT_LOOK;
}

bool keeper_saved_in_vain(const struct keeper *keeper)
{
	const char *base = keeper->config->guest.base;
	autofree char *unfinished = NULL;

	if (keeper->stop.requested || keeper->evidence.shutdown == SHUTDOWN_BY_GUEST)
		return false;
	if (state_pending(&keeper->plan->state))
		return true;
	/* The casement-guest that froze it did not live to see it saved. */
	if (keeper->plan->verbatim || !base || keeper->evidence.stopped != STOPPED_SAVED)
		return false;
	unfinished = frozen_unfinished(base);
	return unfinished;
}

int64_t keeper_patience(const struct keeper *keeper)
{
	const char *base = keeper->config->guest.base;
	autofree char *unfinished = NULL;

	if (keeper->created || !keeper->linked || keeper->stop.requested || !base ||
	    keeper->evidence.stopped != STOPPED_UNSEEN || keeper->evidence.shutdown)
		return VERDICT_PATIENCE_MS;
	unfinished = frozen_unfinished(base);
	return unfinished ? SAVED_PATIENCE_MS : VERDICT_PATIENCE_MS;
}

void keeper_reload_if_due(struct keeper *keeper)
{
	if (!keeper->linked || keeper->worker.busy || keeper->wanted != VIRT_NOTHING)
		return;
	log_warning("the guest was saved for a freeze that came to nothing: going on from there");
	keeper->weighing_since = 0;
	keeper->create_tries = 0;
	keeper->reload = true;
	keeper_drop_qemu(keeper);
	keeper_feed(keeper, LIFE_RELOAD);
}
