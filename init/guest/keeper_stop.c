/* Stopping: the signals that ask for it, and the steps of stop.c's policy put into effect. */
#include "init/guest/keeper_parts.h"

#include "init/guest/signals.h"
#include "lib/log.h"

#include <errno.h>

/* What the last steps take, after the deadline; see stop.c. */
#define LAST_STEPS_MS 10000

static enum stop_target target_of(enum life_state life)
{
	switch (life) {
	case LIFE_UNKNOWN:
	case LIFE_STOP_UNKNOWN: return STOP_TARGET_UNKNOWN;
	case LIFE_DEFINING:
	case LIFE_CREATING:
	case LIFE_STOP_CREATING: return STOP_TARGET_STARTING;
	case LIFE_PAUSED:
	case LIFE_STOP_PAUSED: return STOP_TARGET_PAUSED;
	case LIFE_ASLEEP:
	case LIFE_STOP_ASLEEP: return STOP_TARGET_ASLEEP;
	case LIFE_BOOTING:
	case LIFE_RUNNING:
	case LIFE_STOP_RUNNING: return STOP_TARGET_RUNNING;
	case LIFE_DYING:
	case LIFE_ENDED:
	case N_LIFE_STATES: break;
	}
	return STOP_TARGET_DYING;
}

struct stop_view keeper_stop_view(const struct keeper *keeper)
{
	return (struct stop_view){
		.target = target_of(keeper->life),
		.libvirt = keeper->linked && !keeper->worker.busy,
		.busy = keeper->linked && keeper->worker.busy,
		.agent = keeper->agent,
		.process = keeper->qemu.pid && !keeper->evidence.gone,
	};
}

/** end_qemu() - By hand, because libvirtd cannot. */
static void end_qemu(struct keeper *keeper, int signal)
{
	int result = qemu_signal(&keeper->qemu, signal);

	log_warning("sending SIG%s to QEMU (pid %d)%s%s", sigabbrev_np(signal),
		    (int)keeper->qemu.pid, result ? ": " : "", result ? strerror(-result) : "");
}

/** told() - Note that the guest did not stop by itself. One that is off already has. */
static void forced(struct keeper *keeper)
{
	if (keeper->life != LIFE_DYING)
		keeper->evidence.destroyed = true;
}

static void carry_out(struct keeper *keeper, enum stop_order order)
{
	switch (order) {
	case STOP_ORDER_WAIT: break;
	case STOP_ORDER_RESUME:
		log_info("resuming the guest, so that it can shut down");
		keeper->wanted = VIRT_RESUME;
		break;
	case STOP_ORDER_WAKE:
		log_info("waking the guest, so that it can shut down");
		keeper->wanted = VIRT_WAKE;
		break;
	case STOP_ORDER_BUTTON:
		keeper->wanted = VIRT_BUTTON;
		log_info("pressing the guest's power button (%u)", keeper->stop.presses);
		break;
	case STOP_ORDER_AGENT:
		keeper->wanted = VIRT_AGENT;
		log_info("asking the guest agent to shut down");
		break;
	case STOP_ORDER_SAVE: keeper_save(keeper); break;
	case STOP_ORDER_DESTROY_GRACEFUL:
		forced(keeper);
		keeper->wanted = VIRT_DESTROY_GRACEFUL;
		log_warning("the guest did not stop in time: destroying it gracefully");
		break;
	case STOP_ORDER_DESTROY:
		forced(keeper);
		keeper->wanted = VIRT_DESTROY;
		log_warning("destroying the guest");
		break;
	case STOP_ORDER_TERM:
	case STOP_ORDER_KILL:
		forced(keeper);
		end_qemu(keeper, order == STOP_ORDER_TERM ? SIGTERM : SIGKILL);
		break;
	case STOP_ORDER_LEAVE: keeper_feed(keeper, LIFE_GIVE_UP); break;
	}
}

void keeper_stop_carry_on(struct keeper *keeper, int64_t now)
{
	struct stop_view view = keeper_stop_view(keeper);
	bool late = now >= keeper->stop.deadline;

	bool unsure =
		view.target == STOP_TARGET_UNKNOWN || (late && view.target == STOP_TARGET_STARTING);

	/* A start that is to be cut short, or that libvirtd died in, may have a process by now. */
	if (keeper->stop.requested && !view.process && unsure) {
		keeper_found_qemu(keeper);
		view = keeper_stop_view(keeper);
	}
	if (keeper->evidence.saving && now >= keeper->stop.save_until)
		keeper_not_saved(keeper, "it takes too long");
	carry_out(keeper, stop_order(&keeper->stop, &view, now));
}

/** begin_stop() - @timeout: ms */
static void begin_stop(struct keeper *keeper, unsigned timeout, const char *why)
{
	if (!stop_begin(&keeper->stop, timeout, now_ms()))
		return;
	/* The press goes out before anything that can wait. */
	keeper_settle(keeper);
	log_info("stopping the guest within %u s: %s", (timeout + 999) / 1000, why);
	report_extend((int64_t)timeout + LAST_STEPS_MS +
		      (keeper->stop.save ? keeper->stop.save_timeout : 0));
}

/** reaped() - PID 1 says how QEMU ended. */
static void reaped(struct keeper *keeper, int status)
{
	/* It was saved, and that is all there is to know. */
	if (keeper_freezing(keeper))
		return;
	/* That of a start that failed: libvirt's word is what counts, and another may be under way.
	 */
	if (keeper->created && !life_up(keeper->life) && keeper->life <= LIFE_CREATING)
		return;
	keeper->evidence.status_known = true;
	keeper->evidence.status = status;
	keeper->evidence.gone = true;
	keeper_feed(keeper, LIFE_GONE);
}

void keeper_signal(struct keeper *keeper, const struct signalfd_siginfo *info)
{
	int value = signals_value(info);
	unsigned timeout = value > 0 ? (unsigned)value : keeper->config->stop.timeout;

	switch (info->ssi_signo) {
	case SIGTERM: begin_stop(keeper, timeout, "SIGTERM"); break;
	case SIGINT:
		if (keeper->stop.requested) {
			log_warning("a second SIGINT: the guest's time is up");
			stop_hurry(&keeper->stop, now_ms());
		}
		begin_stop(keeper, timeout, "SIGINT");
		break;
	case SIGQUIT:
		log_warning("SIGQUIT: the guest's time is up");
		stop_hurry(&keeper->stop, now_ms());
		begin_stop(keeper, 0, "SIGQUIT");
		break;
	case SIGUSR1:
		/* Without sigqueue(3) it is no wait status. */
		if (info->ssi_code == SI_QUEUE)
			reaped(keeper, info->ssi_int);
		break;
	case SIGUSR2: keeper_freeze(keeper, signals_value(info) == WIRE_FREEZE_FORCE); break;
	default: log_debug("signal %u means nothing here", info->ssi_signo); break;
	}
}
