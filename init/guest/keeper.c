/* The heart: events into states, states into deeds. */
#include "init/guest/keeper_parts.h"

#include "init/guest/boots.h"
#include "init/guest/frozen.h"
#include "init/guest/qemu_log.h"
#include "lib/log.h"

#include <libvirt/libvirt.h>
#include <stdarg.h>
#include <systemd/sd-daemon.h>

/*
 * A guest resets its machine in more than one way when it reboots: what follows within this time is
 * the same reboot.
 */
#define SAME_REBOOT_MS 1000
/* Starts that are tried when libvirtd dies in the middle of one. */
#define CREATE_TRIES 3

void keeper_end(struct keeper *keeper, int code, const char *format, ...)
{
	va_list arguments;

	if (keeper->ended)
		return;
	keeper->ended = true;
	keeper->exit_code = code;
	boots_save(keeper->paths->boots, 0, boots_load(keeper->paths->boots).n);
	va_start(arguments, format);
	vsnprintf(keeper->last_words, sizeof(keeper->last_words), format, arguments);
	va_end(arguments);
	/* One line, whatever libvirt and QEMU put into theirs. */
	for (char *at = keeper->last_words; (at = strchr(at, '\n'));)
		*at = ' ';
}

static void on_qemu_gone(int watch, int fd, int events, void *opaque)
{
	struct keeper *keeper = opaque;

	(void)fd;
	(void)events;
	virEventRemoveHandle(watch);
	keeper->qemu_watch = -1;
	keeper->evidence.gone = true;
	if (!keeper_freezing(keeper))
		keeper_feed(keeper, LIFE_GONE);
	keeper_settle(keeper);
}

void keeper_drop_qemu(struct keeper *keeper)
{
	if (keeper->qemu_watch >= 0)
		virEventRemoveHandle(keeper->qemu_watch);
	keeper->qemu_watch = -1;
	qemu_clear(&keeper->qemu);
}

void keeper_found_qemu(struct keeper *keeper)
{
	struct qemu found;

	if (qemu_find(keeper->paths->qemu_run, keeper->plan->name, &found))
		return;
	keeper_drop_qemu(keeper);
	keeper->qemu = found;
	keeper->evidence.pid = found.pid;
	keeper->evidence.gone = false;
	if (found.fd >= 0)
		keeper->qemu_watch = virEventAddHandle(found.fd, VIR_EVENT_HANDLE_READABLE,
						       on_qemu_gone, keeper, NULL);
}

static void set_boots(struct keeper *keeper, unsigned boots)
{
	keeper->boots = boots;
	boots_save(keeper->paths->boots, keeper->qemu.pid, boots);
}

void keeper_rest(struct keeper *keeper)
{
	probe_abort(&keeper->probe);
	health_stop(&keeper->health);
}

/** can_answer() - Do the guest's processors run, as far as is known? */
static bool can_answer(const struct keeper *keeper)
{
	return keeper->life == LIFE_BOOTING || keeper->life == LIFE_RUNNING ||
	       keeper->life == LIFE_STOP_RUNNING;
}

/** probe_from_now() - @keep: it was only away. */
static void probe_from_now(struct keeper *keeper, bool keep)
{
	keeper_probe_start(keeper, keep);
	if (!keep)
		keeper->alive = false;
}

/** watch() - The guest is up: started by us, or found so. */
static void watch(struct keeper *keeper)
{
	struct boots boots = boots_load(keeper->paths->boots);
	const char *base = keeper->config->guest.base;
	autofree char *unfinished = NULL;

	keeper_start_done(keeper);
	keeper_found_qemu(keeper);
	keeper->evidence.up = true;
	if (!boots.qemu)
		set_boots(keeper, boots.n + 1);
	else if (boots.qemu == keeper->qemu.pid)
		keeper->boots = boots.n;
	log_info("the guest %s%s (QEMU is pid %d)", keeper->plan->name,
		 keeper->restored  ? (keeper->warm ? " goes on from the frozen one"
						   : " is resumed from its saved state")
		 : keeper->created ? " is started"
				   : " runs already",
		 (int)keeper->qemu.pid);
	keeper->ready = true;
	/* A casement-guest that died while it froze the guest has not thawed it. */
	unfinished = keeper->created || !base ? NULL : frozen_unfinished(base);
	if (unfinished)
		keeper->wake_up = true;
	keeper_install_begin(keeper);
	if (can_answer(keeper))
		probe_from_now(keeper, false);
	if (keeper->agent)
		keeper_feed(keeper, LIFE_SIGN);
}

/** fresh_evidence() - A life begins; what was said about the one before does not count. */
static struct evidence fresh_evidence(const struct keeper *keeper)
{
	return (struct evidence){ .status_expected = keeper->evidence.status_expected,
				  .pid = keeper->qemu.pid };
}

static void reboot(struct keeper *keeper)
{
	int64_t now = now_ms();
	bool same = keeper->rebooted && now - keeper->rebooted < SAME_REBOOT_MS;

	keeper->rebooted = now;
	if (!same)
		log_info("the guest reboots");
	keeper->evidence = fresh_evidence(keeper);
	keeper->evidence.up = true;
	keeper->weighing_since = 0;
	stop_no_linger(&keeper->stop);
	keeper_install_rebooted(keeper);
	keeper_found_qemu(keeper);
	if (keeper->boots && !same)
		set_boots(keeper, keeper->boots + 1);
	keeper->agent = false;
	if (can_answer(keeper))
		probe_from_now(keeper, false);
}

/** fail() - It could not be started: libvirt says why, and perhaps QEMU. */
static void fail(struct keeper *keeper)
{
	char tail[2048];

	qemu_log_tail(keeper->paths->qemu_log, keeper->plan->name, sizeof(tail), tail);
	if (keeper->evidence.destroyed) {
		keeper_end(keeper, EXIT_GUEST_DESTROYED,
			   "the guest did not stop by the deadline and was destroyed");
		return;
	}
	if (tail[0])
		log_error("the end of QEMU's log:\n%s", tail);
	if (keeper->start_late) {
		keeper_end(keeper, EXIT_SERVICE_FAILED, "the guest cannot be started: %s",
			   keeper_start_refusal(keeper));
		return;
	}
	if (keeper->config_error && keeper->plan->verbatim)
		keeper_end(keeper, EXIT_CONFIG, "%s ([guest] xml): %s", keeper->config->guest.xml,
			   keeper->refusal);
	else
		keeper_end(keeper, keeper->config_error ? EXIT_CONFIG : EXIT_GUEST_CRASHED,
			   "the guest cannot be started: %s", keeper->refusal);
}

/** reject() - libvirtd does not take the definition. */
static void reject(struct keeper *keeper)
{
	if (keeper->plan->verbatim)
		keeper_end(keeper, EXIT_CONFIG, "%s ([guest] xml): %s", keeper->config->guest.xml,
			   keeper->refusal);
	else if (keeper->config->guest.xml_patch)
		keeper_end(keeper, EXIT_CONFIG,
			   "the guest's definition, changed by %s ([guest] xml-patch), is refused: "
			   "%s",
			   keeper->config->guest.xml_patch, keeper->refusal);
	else
		keeper_end(keeper, EXIT_CONFIG, "libvirtd refuses the guest's definition: %s",
			   keeper->refusal);
}

static void judge(struct keeper *keeper)
{
	char text[160], tail[2048];
	int code;

	keeper_judge_state(keeper);
	code = verdict_pronounce(&keeper->evidence, sizeof(text), text);

	if (code == EXIT_GUEST_CRASHED) {
		qemu_log_tail(keeper->paths->qemu_log, keeper->plan->name, sizeof(tail), tail);
		if (tail[0])
			log_error("the end of QEMU's log:\n%s", tail);
	}
	keeper_end(keeper, code, "%s", text);
}

static void define(struct keeper *keeper)
{
	keeper_prepare(keeper);
	keeper->wanted = VIRT_DEFINE;
}

static void create(struct keeper *keeper)
{
	keeper->evidence = fresh_evidence(keeper);
	keeper_start_begin(keeper);
}

static void act(struct keeper *keeper, enum life_action action)
{
	switch (action) {
	case LIFE_DO_NOTHING: break;
	case LIFE_DO_DEFINE: define(keeper); break;
	case LIFE_DO_CREATE: create(keeper); break;
	case LIFE_DO_PAUSE: keeper_start_again(keeper); break;
	case LIFE_DO_WATCH: watch(keeper); break;
	case LIFE_DO_REWATCH:
		probe_from_now(keeper, keeper->alive);
		if (keeper->alive)
			keeper_feed(keeper, LIFE_SIGN);
		break;
	case LIFE_DO_REBOOT: reboot(keeper); break;
	case LIFE_DO_REST: keeper_rest(keeper); break;
	case LIFE_DO_LINGER:
		log_info("the guest has powered off");
		keeper_rest(keeper);
		stop_linger(&keeper->stop, now_ms());
		break;
	case LIFE_DO_WEIGH:
		keeper_rest(keeper);
		if (!keeper->weighing_since)
			keeper->weighing_since = now_ms();
		break;
	case LIFE_DO_LEAVE:
		keeper_end(keeper, EXIT_GUEST_OFF, "asked to stop before the guest was started");
		break;
	case LIFE_DO_REJECT: reject(keeper); break;
	case LIFE_DO_FAIL: fail(keeper); break;
	case LIFE_DO_JUDGE: judge(keeper); break;
	case N_LIFE_ACTIONS: break;
	}
}

/**
 * counts_as_end() - A guest that was never seen up is found off: did it live, or is libvirtd's
 * memory of no interest?
 */
static bool counts_as_end(const struct keeper *keeper)
{
	/* A start that libvirtd did not survive is tried again. */
	if (keeper->created)
		return keeper->create_tries >= CREATE_TRIES;
	return boots_load(keeper->paths->boots).qemu;
}

void keeper_feed(struct keeper *keeper, enum life_event event)
{
	struct life_step step;

	if (event == LIFE_FOUND_ENDED && !keeper->evidence.up && !counts_as_end(keeper))
		event = LIFE_FOUND_OFF;
	event = keeper_start_event(keeper, event);
	if (event == LIFE_SIGN)
		keeper->alive = true;
	step = life_step(keeper->life, event);
	log_debug("%s: %s -> %s, %s", life_event_name(event), life_state_name(keeper->life),
		  life_state_name(step.next), life_action_name(step.action));
	keeper->life = step.next;
	act(keeper, step.action);
}

static void give_wanted(struct keeper *keeper)
{
	if (keeper->wanted == VIRT_NOTHING || !keeper->linked || keeper->worker.busy)
		return;
	keeper->outdated = false;
	worker_give(&keeper->worker, keeper->wanted);
	keeper->wanted = VIRT_NOTHING;
}

static void feed_watchdog(struct keeper *keeper, int64_t now)
{
	if (!keeper->watchdog || now < keeper->next_watchdog)
		return;
	sd_notify(0, "WATCHDOG=1");
	keeper->next_watchdog = now + keeper->watchdog;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/** next_deadline() - When something is due if nothing happens. */
static int64_t next_deadline(const struct keeper *keeper)
{
	struct stop_view view = keeper_stop_view(keeper);
	int64_t next = earlier(probe_deadline(&keeper->probe), stop_next(&keeper->stop, &view));

	if (!probe_busy(&keeper->probe))
		next = earlier(next, health_next(&keeper->health));
	next = earlier(next, keeper_connect_deadline(keeper));
	next = earlier(next, keeper_start_next(keeper));
	next = earlier(next, keeper_room_next(keeper));
	next = earlier(next, keeper_install_next(keeper));
	if (keeper->weighing_since && !keeper->evidence.saving && !keeper_saved_in_vain(keeper))
		next = earlier(next, keeper->weighing_since + keeper_patience(keeper));
	return keeper->watchdog ? earlier(next, keeper->next_watchdog) : next;
}

/** may_conclude() - Is there nothing more to be heard about the guest's end? */
static bool may_conclude(const struct keeper *keeper, int64_t now)
{
	int64_t waited = now - keeper->weighing_since, patience = keeper_patience(keeper);

	return (patience == VERDICT_PATIENCE_MS || waited >= patience) &&
	       verdict_ready(&keeper->evidence, waited);
}

void keeper_settle(struct keeper *keeper)
{
	int64_t now = now_ms();

	/* Also after a power-off that turned out to be a reboot. */
	if (keeper->stop.requested && keeper->life != LIFE_DYING && !life_stopping(keeper->life))
		keeper_feed(keeper, LIFE_STOP);
	if (!keeper->ended)
		keeper_stop_carry_on(keeper, now);
	if (!keeper->ended)
		keeper_start_carry_on(keeper, now);
	if (keeper->weighing_since && keeper_saved_in_vain(keeper))
		keeper_reload_if_due(keeper);
	else if (keeper->weighing_since && may_conclude(keeper, now))
		keeper_feed(keeper, LIFE_CONCLUDE);
	if (!keeper->ended) {
		keeper_room_if_due(keeper, now);
		keeper_wake_up_if_due(keeper);
		keeper_install_if_due(keeper, now);
		give_wanted(keeper);
		keeper_connect_if_due(keeper, now);
		keeper_probe_if_due(keeper, now);
	}
	feed_watchdog(keeper, now);
	keeper_report(keeper);
	timer_set(&keeper->timer, keeper->ended ? INT64_MAX : next_deadline(keeper));
}
