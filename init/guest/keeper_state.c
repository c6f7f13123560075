/* Saving the guest instead of destroying it, and going on from there at the next start. */
#include "init/guest/keeper_parts.h"

#include "lib/log.h"

/* Loading may take longer than a start by what a slow disk needs for the file. */
#define SLOW_DISK_BYTES_PER_MS 16384

int keeper_know_disk(struct keeper *keeper, struct failure *failure)
{
	if (!keeper->plan->prepared && access(keeper->config->guest.disk, F_OK))
		return failure_set(failure, EXIT_CONFIG, -1, "its disk %s is not there any more",
				   keeper->config->guest.disk);
	return plan_prepare(keeper->plan, failure) ? -1 : 0;
}

bool keeper_disks_go_with(const struct keeper *keeper, size_t size, char *ret_reason)
{
	const struct storage *storage = &keeper->plan->storage;

	if (state_goes_with(&storage->disk, size, ret_reason))
		return false;
	for (size_t i = 0; i < storage->n_drives; i++) {
		if (!storage->drives[i].readonly &&
		    state_goes_with(&storage->drives[i].disk, size, ret_reason))
			return false;
	}
	return true;
}

void keeper_save(struct keeper *keeper)
{
	char reason[512];
	struct failure failure;

	keeper->evidence.saving = true;
	if (keeper_know_disk(keeper, &failure))
		keeper_not_saved(keeper, failure.text);
	else if (keeper->evidence.panicked)
		keeper_not_saved(keeper, "it has crashed");
	else if (!keeper_disks_go_with(keeper, sizeof(reason), reason))
		keeper_not_saved(keeper, reason);
	else
		keeper->wanted = VIRT_SAVE;
	if (keeper->wanted == VIRT_SAVE)
		log_info("the guest did not stop in time: saving it to %s within %u s",
			 keeper->plan->state.image, (keeper->stop.save_timeout + 999) / 1000);
}

void keeper_saved(struct keeper *keeper)
{
	log_info("the guest is saved, in %llu bytes",
		 (unsigned long long)state_size(&keeper->plan->state));
	keeper->evidence.saving = false;
	keeper->evidence.saved = true;
	stop_saved(&keeper->stop, now_ms());
}

void keeper_not_saved(struct keeper *keeper, const char *why)
{
	if (!keeper->evidence.saving)
		return;
	log_warning("the guest is not saved: %s", why);
	keeper->evidence.saving = false;
	stop_not_saved(&keeper->stop, now_ms());
}

bool keeper_restore(struct keeper *keeper)
{
	const struct state *state = &keeper->plan->state;

	autofree char *frozen = state_frozen(state);

	keeper->restored = keeper->wake_up = false;
	keeper->warm = frozen != NULL;
	keeper->cold[0] = '\0';
	keeper->restoring = keeper->deaf = state_pending(state) || keeper->reload;
	keeper->reload = false;
	if (!keeper->restoring)
		return false;
	log_info("resuming the guest from %s %s", frozen ? "the frozen one in" : "its saved state",
		 frozen ? frozen : state->image);
	return true;
}

int64_t keeper_restore_ms(const struct keeper *keeper)
{
	if (!keeper->restoring)
		return 0;
	return (int64_t)(state_size(&keeper->plan->state) / SLOW_DISK_BYTES_PER_MS);
}

void keeper_created(struct keeper *keeper)
{
	bool deaf = keeper->deaf;

	keeper->restored = keeper->wake_up = keeper->restoring;
	keeper->restoring = keeper->deaf = false;
	keeper_feed(keeper, LIFE_CREATED);
	if (deaf)
		keeper->wanted = VIRT_LOOK;
}

void keeper_not_restored(struct keeper *keeper, const struct virt_result *result)
{
	char why[sizeof(result->text)];

	memcpy(why, result->text, sizeof(why));
	/* QEMU's words may be in it, line by line. */
	for (char *at = why; (at = strchr(at, '\n'));)
		*at = ' ';
	keeper->restoring = false;
	/* It was loading when its time was up; the state is as good as before. */
	if (keeper->evidence.destroyed) {
		keeper_feed(keeper, LIFE_FAILED);
		return;
	}
	snprintf(keeper->cold, sizeof(keeper->cold), "%.*s", (int)sizeof(keeper->cold) - 1, why);
	log_warning("the guest's %s state is not resumed: %s; %s",
		    keeper->warm ? "frozen" : "saved", why,
		    keeper->stop.requested ? "nothing is started any more"
					   : "it boots from its disk");
	if (keeper->stop.requested) {
		keeper_feed(keeper, LIFE_FOUND_OFF);
		return;
	}
	/* If its QEMU had to be ended, that was not the guest's end. */
	keeper_drop_qemu(keeper);
	keeper->wanted = VIRT_CREATE;
	keeper_start_clock(keeper);
}

void keeper_judge_state(struct keeper *keeper)
{
	const struct state *state = &keeper->plan->state;
	bool ours = keeper->stop.save_until || keeper->freeze == FREEZE_FAILED ||
		    (state->image && access(state->partial, F_OK) == 0);

	/*
	 * libvirt saved it, or froze it, and the rest did not work, or was the business of a
	 * casement-guest that is gone: off for the sake of a file that is none now.
	 */
	if (keeper->evidence.stopped == STOPPED_SAVED && !keeper->evidence.saved && ours)
		keeper->evidence.destroyed = true;
	/* It was to stop before it could be loaded again. */
	keeper->evidence.kept = !keeper->evidence.saved && state_pending(state);
}

void keeper_wake_up_if_due(struct keeper *keeper)
{
	if (!keeper->wake_up || !keeper->agent || keeper->stop.requested || !keeper->linked ||
	    keeper->worker.busy || keeper->wanted != VIRT_NOTHING)
		return;
	keeper->wake_up = false;
	keeper->wanted = VIRT_WAKE_UP;
}

void keeper_found_paused(struct keeper *keeper)
{
	/* Somebody died between loading it and letting it run. */
	if (!state_loaded(&keeper->plan->state) || keeper->evidence.saving)
		return;
	log_info("the guest was just loaded from its saved state: going on");
	keeper->wanted = VIRT_RESUME;
}
