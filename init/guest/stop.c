/*
 * The stop policy.
 *
 * Until the deadline: the power button at once, then the agent if it may and can be asked, then the
 * button again every `resend`, for as long as the guest runs. Windows loses the first press while
 * it boots, and uses it up for waking the display. A guest that cannot hear is made to: resumed or
 * woken, once per round, for a guest paused by a full disk pauses again.
 *
 * The button comes before the agent because it takes a millisecond, and an agent that hangs takes a
 * minute; Windows takes the second request for the same shutdown.
 *
 * At the deadline, if so configured, libvirtd is asked once to save the guest, and has
 * `save_timeout` for it. It does nothing else meanwhile, so what comes after a save that hangs is a
 * signal to QEMU, which is what a graceful destroy is, too.
 *
 * Then, or at the deadline itself: a graceful destroy (SIGTERM and patience: QEMU flushes), 5 s later the other
 * one, 2 s later SIGKILL by hand, 1.5 s later whoever comes after. Without libvirtd the signals are
 * our own. With the second for a call that hangs it adds up to 9.5 s, inside the 10 s that
 * compose.yaml leaves.
 */
#include "init/guest/stop.h"

#define GRACEFUL_MS 5000
#define DESTROY_MS 2000
#define KILL_MS 1500
/*
 * How long a step waits for the call before it, which is over in a moment mostly, until it does
 * without libvirtd.
 */
#define BUSY_MS 1000
/* How long a stop waits for libvirtd to say whether there is a guest, when no process says so. */
#define LOOK_MS 2000
/* How long QEMU may outlive the guest in it. */
#define LINGER_MS 10000

void stop_init(struct stop *stop, const struct stop_config *config)
{
	*stop = (struct stop){ .resend = config->resend,
			       .use_agent = config->agent,
			       .save = config->on_deadline == ON_DEADLINE_SAVE,
			       .save_timeout = config->save_timeout };
}

bool stop_begin(struct stop *stop, unsigned timeout, int64_t now)
{
	if (stop->requested)
		return false;
	stop->requested = true;
	stop->since = now;
	stop->deadline = now + timeout;
	stop->next_press = now;
	return true;
}

void stop_not_saved(struct stop *stop, int64_t now)
{
	if (now < stop->save_until)
		stop->save_until = now;
}

void stop_hurry(struct stop *stop, int64_t now)
{
	if (stop->requested && now >= stop->deadline) {
		stop->save = false;
		stop_not_saved(stop, now);
	}
	if (now < stop->deadline)
		stop->deadline = now;
}

void stop_saved(struct stop *stop, int64_t now)
{
	stop->save_until = now + LINGER_MS;
}

void stop_linger(struct stop *stop, int64_t now)
{
	if (stop->lingering)
		return;
	stop->lingering = true;
	stop->linger_until = now + LINGER_MS;
}

void stop_no_linger(struct stop *stop)
{
	if (stop->lingering && !stop->requested)
		stop->escalations = 0;
	stop->lingering = false;
}

/** deadline_of() - The earlier of the two; INT64_MAX while there is none. */
static int64_t deadline_of(const struct stop *stop)
{
	int64_t deadline = stop->requested ? stop->deadline : INT64_MAX;

	return stop->lingering && stop->linger_until < deadline ? stop->linger_until : deadline;
}

void stop_failed(struct stop *stop, int64_t now)
{
	if (stop->escalations > 0 && now < stop->next_escalation)
		stop->next_escalation = now;
}

/** next_step() - When the next step by force is due. */
static int64_t next_step(const struct stop *stop, const struct stop_view *view)
{
	int64_t due = deadline_of(stop);

	if (stop->escalations > 0)
		return stop->next_escalation;
	if (stop->save_until)
		return stop->save_until;
	/* Once is enough: a call that hangs at the first step hangs at the next ones. */
	return view->busy && due < INT64_MAX ? due + BUSY_MS : due;
}

/** must_rouse() - Is there a guest that cannot hear the button as it is? */
static bool must_rouse(const struct stop_view *view)
{
	return view->target == STOP_TARGET_PAUSED || view->target == STOP_TARGET_ASLEEP;
}

/** can_hear() - Is there a guest to press the button of, now or once it is roused? */
static bool can_hear(const struct stop_view *view)
{
	return view->target == STOP_TARGET_RUNNING || must_rouse(view);
}

/** persuade() - The step that is due before the deadline. */
static enum stop_order persuade(struct stop *stop, const struct stop_view *view, int64_t now)
{
	bool rouse = must_rouse(view);

	if (!view->libvirt || !can_hear(view))
		return STOP_ORDER_WAIT;
	if (now < stop->next_press) {
		if (rouse || stop->agent_asked || !stop->use_agent || !view->agent ||
		    stop->presses == 0)
			return STOP_ORDER_WAIT;
		stop->agent_asked = true;
		stop->phase = STOP_AGENT;
		return STOP_ORDER_AGENT;
	}
	if (rouse && !stop->roused) {
		stop->roused = true;
		return view->target == STOP_TARGET_PAUSED ? STOP_ORDER_RESUME : STOP_ORDER_WAKE;
	}
	stop->next_press = now + stop->resend;
	stop->roused = false;
	stop->agent_asked = false;
	if (rouse)
		return STOP_ORDER_WAIT; /* it did not come round: again in the next round */
	stop->presses++;
	stop->phase = STOP_BUTTON;
	return STOP_ORDER_BUTTON;
}

/** must_save() - Is it the moment to save the guest, and possible? */
static bool must_save(const struct stop *stop, const struct stop_view *view)
{
	return stop->save && stop->requested && !stop->save_until && stop->escalations == 0 &&
	       view->libvirt &&
	       (view->target == STOP_TARGET_RUNNING || view->target == STOP_TARGET_PAUSED);
}

/** compel() - The step that is due after the deadline. */
static enum stop_order compel(struct stop *stop, const struct stop_view *view, int64_t now)
{
	if (must_save(stop, view)) {
		stop->save_until = now + stop->save_timeout;
		stop->phase = STOP_SAVE;
		return STOP_ORDER_SAVE;
	}
	if (now < next_step(stop, view))
		return STOP_ORDER_WAIT;
	switch (stop->escalations++) {
	case 0:
		stop->phase = STOP_DESTROY_GRACEFUL;
		stop->next_escalation = now + GRACEFUL_MS;
		if (view->libvirt)
			return STOP_ORDER_DESTROY_GRACEFUL;
		return view->process ? STOP_ORDER_TERM : STOP_ORDER_WAIT;
	case 1:
		stop->phase = STOP_DESTROY;
		stop->next_escalation = now + DESTROY_MS;
		if (view->libvirt)
			return STOP_ORDER_DESTROY;
		return view->process ? STOP_ORDER_KILL : STOP_ORDER_WAIT;
	case 2:
		stop->next_escalation = now + KILL_MS;
		return view->process ? STOP_ORDER_KILL : STOP_ORDER_WAIT;
	default:
		stop->next_escalation = INT64_MAX;
		return STOP_ORDER_LEAVE;
	}
}

/** nobody_knows() - Is there no sign of a guest to stop? */
static bool nobody_knows(const struct stop *stop, const struct stop_view *view)
{
	return stop->requested && view->target == STOP_TARGET_UNKNOWN && !view->process;
}

enum stop_order stop_order(struct stop *stop, const struct stop_view *view, int64_t now)
{
	if (nobody_knows(stop, view) && now >= stop->since + LOOK_MS)
		return STOP_ORDER_LEAVE;
	if (now >= deadline_of(stop))
		return compel(stop, view, now);
	return stop->requested ? persuade(stop, view, now) : STOP_ORDER_WAIT;
}

int64_t stop_next(const struct stop *stop, const struct stop_view *view)
{
	int64_t next = next_step(stop, view);

	if (stop->escalations == 0 && !stop->save_until && stop->requested && view->libvirt &&
	    can_hear(view) && stop->next_press < next)
		next = stop->next_press;
	if (nobody_knows(stop, view) && stop->since + LOOK_MS < next)
		next = stop->since + LOOK_MS;
	return next;
}
