/*
 * A guest that is being installed: somebody presses the key that the medium asks for, and notices
 * when all is done.
 *
 * That is when it answers its probe for the first time. From then on nothing of the installation is
 * left: no mark, no answers. The media stay in the drives until the guest is started again.
 */
#include "init/guest/keeper_parts.h"

#include "lib/log.h"

#define KEY_EVERY_MS 1000
/* By then the firmware has asked, with KVM and without. */
#define KEYS_MS 60000
#define KEYS_EMULATED_MS 300000

static bool can_ask(const struct keeper *keeper)
{
	return keeper->linked && !keeper->worker.busy && keeper->wanted == VIRT_NOTHING;
}

/** is_up() - Do its processors run, and is it to go on? */
static bool is_up(const struct keeper *keeper)
{
	return keeper->life == LIFE_BOOTING || keeper->life == LIFE_RUNNING;
}

void keeper_install_begin(struct keeper *keeper)
{
	const struct plan *plan = keeper->plan;

	keeper->next_key = keeper->keys_until = INT64_MAX;
	if (!plan->install.under_way)
		return;
	log_info("the guest is being installed from %s: that takes as long as it takes",
		 keeper->config->guest.iso);
	/* A BIOS is asked that only if the disk is bootable already. */
	if (!keeper->created || keeper->restored || keeper->config->guest.firmware == FIRMWARE_BIOS)
		return;
	keeper->next_key = now_ms() + KEY_EVERY_MS;
	keeper->keys_until = now_ms() + (plan->kvm ? KEYS_MS : KEYS_EMULATED_MS);
}

void keeper_install_rebooted(struct keeper *keeper)
{
	/* From now on the disk is to be booted. */
	keeper->next_key = INT64_MAX;
}

void keeper_install_pressed(struct keeper *keeper, bool booted)
{
	if (booted || now_ms() >= keeper->keys_until)
		keeper->next_key = INT64_MAX;
	if (booted)
		log_info("the medium is booted");
}

void keeper_install_answered(struct keeper *keeper)
{
	struct install *install = &keeper->plan->install;
	int result;

	if (!install->under_way)
		return;
	keeper->next_key = INT64_MAX;
	result = install_finish(install, &keeper->config->guest);
	keeper->eject_answers = install->answers != NULL;
	log_info("the guest is installed");
	if (result)
		log_warning("what belongs to the installation cannot be removed beside %s: %s; "
			    "remove the files .installing and .answers.iso, which has the password",
			    keeper->config->guest.disk, strerror(-result));
}

void keeper_install_if_due(struct keeper *keeper, int64_t now)
{
	if (!is_up(keeper) || !can_ask(keeper))
		return;
	if (keeper->eject_answers) {
		keeper->eject_answers = false;
		keeper->wanted = VIRT_EJECT_ANSWERS;
	} else if (now >= keeper->next_key) {
		keeper->next_key = now + KEY_EVERY_MS;
		keeper->wanted = VIRT_PRESS_KEY;
	}
}

int64_t keeper_install_next(const struct keeper *keeper)
{
	if (!is_up(keeper) || !can_ask(keeper))
		return INT64_MAX;
	return keeper->eject_answers ? 0 : keeper->next_key;
}
