/*
 * Starting the guest: how long that may take, what happens when it fails, and what becomes of a
 * start that an earlier casement-guest asked for.
 *
 * virDomainCreate() has no limit: it waits for a QEMU that stands still as long as that does. It
 * returns at once when that QEMU is gone, so a start that takes too long is ended by hand.
 */
#include "init/guest/keeper_parts.h"

#include "init/guest/boots.h"
#include "init/guest/qemu_cache.h"
#include "lib/log.h"

/* How often it is asked whether somebody else's start is done: it may end without an event. */
#define LOOK_AGAIN_MS 200
/* libvirt has this long to notice that the QEMU of a late start is gone. */
#define LATE_MS 10000
/* Until libvirtd answers, PID 1 waits this much longer for us than a start may take. */
#define EXTEND_MS 30000
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 30000

void keeper_start_clock(struct keeper *keeper)
{
	int64_t ms = keeper->config->guest.start_timeout + keeper_restore_ms(keeper);

	keeper->start_late = false;
	keeper->start_until = now_ms() + ms;
	report_extend(ms + EXTEND_MS);
}

void keeper_start_begin(struct keeper *keeper)
{
	boots_save(keeper->paths->boots, 0, boots_load(keeper->paths->boots).n);
	keeper->created = true;
	keeper->agent = false; /* it was that of the guest before */
	keeper->create_tries++;
	keeper->wanted = keeper_restore(keeper) ? VIRT_RESTORE : VIRT_CREATE;
	keeper_start_clock(keeper);
}

void keeper_start_found(struct keeper *keeper)
{
	if (keeper->start_until == INT64_MAX)
		keeper_start_clock(keeper);
	keeper->next_look = now_ms() + LOOK_AGAIN_MS;
}

void keeper_start_done(struct keeper *keeper)
{
	keeper->start_until = keeper->next_look = INT64_MAX;
	keeper->start_failures = 0;
	keeper->start_late = false;
	/* libvirtd has asked QEMU by now, if it had to. */
	if (keeper->plan->storage.capabilities)
		qemu_cache_keep(QEMU_CACHE, keeper->plan->storage.capabilities);
}

/** says_failed() - Does it mean that a start that was ended by hand came to nothing? */
static bool says_failed(enum life_event event)
{
	return event == LIFE_LOST || event == LIFE_FOUND_OFF || event == LIFE_FOUND_ENDED;
}

enum life_event keeper_start_event(struct keeper *keeper, enum life_event event)
{
	if (keeper->life != LIFE_CREATING)
		return event;
	if (keeper->start_late && says_failed(event))
		event = LIFE_FAILED;
	/* The definition will be as wrong the next time. */
	if (event != LIFE_FAILED || keeper->config_error ||
	    keeper->start_failures >= keeper->config->guest.start_retries)
		return event;
	return LIFE_RETRY;
}

void keeper_start_again(struct keeper *keeper)
{
	unsigned doublings = keeper->start_failures++;
	int64_t pause = doublings < 5 ? RETRY_MIN_MS << doublings : RETRY_MAX_MS;

	if (pause > RETRY_MAX_MS)
		pause = RETRY_MAX_MS;
	/* Its end, if it is heard of now, is no end of the guest's. */
	keeper_drop_qemu(keeper);
	keeper->start_until = INT64_MAX;
	keeper->next_look = now_ms() + pause;
	keeper->create_tries = 0;
	log_warning("the guest cannot be started: %s; attempt %u of %u in %lld s",
		    keeper_start_refusal(keeper), keeper->start_failures + 1,
		    keeper->config->guest.start_retries + 1, (long long)pause / 1000);
	report_extend(pause + EXTEND_MS);
}

const char *keeper_start_refusal(struct keeper *keeper)
{
	if (keeper->start_late)
		snprintf(keeper->refusal, sizeof(keeper->refusal),
			 "QEMU was not up within %u s and was killed ([guest] start-timeout)",
			 keeper->config->guest.start_timeout / 1000);
	return keeper->refusal;
}

/** end_late_start() - Its time is over. */
static void end_late_start(struct keeper *keeper, int64_t now)
{
	keeper_found_qemu(keeper);
	keeper->start_until = now + LATE_MS;
	if (keeper->start_late || !keeper->qemu.pid || keeper->evidence.gone) {
		/* There is nothing to kill, and yet no answer: it is libvirtd that hangs. */
		keeper_accuse_libvirtd("it does not end a start");
	} else {
		log_warning("the guest is not up after %u s: killing its QEMU (pid %d)",
			    keeper->config->guest.start_timeout / 1000, (int)keeper->qemu.pid);
		qemu_signal(&keeper->qemu, SIGKILL);
	}
	keeper->start_late = true;
}

void keeper_start_carry_on(struct keeper *keeper, int64_t now)
{
	if (keeper->life == LIFE_CREATING && now >= keeper->start_until)
		end_late_start(keeper, now);
	if (keeper->next_look == INT64_MAX || !keeper->linked || keeper->worker.busy ||
	    (now < keeper->next_look && !keeper->stop.requested))
		return;
	keeper->next_look = INT64_MAX;
	if (keeper->wanted == VIRT_NOTHING)
		keeper->wanted = VIRT_LOOK;
}

int64_t keeper_start_next(const struct keeper *keeper)
{
	int64_t late = keeper->life == LIFE_CREATING ? keeper->start_until : INT64_MAX;
	/* Before that there is nobody to ask. */
	int64_t look = keeper->linked && !keeper->worker.busy ? keeper->next_look : INT64_MAX;

	return late < look ? late : look;
}
