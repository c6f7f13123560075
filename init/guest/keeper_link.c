/* libvirtd: the connection, and what comes by it. */
#include "init/guest/keeper_parts.h"

#include "lib/log.h"

#include <libvirt/libvirt.h>

#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 500
#define COMPLAIN_EVERY_MS 10000
/*
 * Asked of PID 1 with each complaint: libvirtd's own start is its business, and waiting for it no
 * fault of ours.
 */
#define EXTEND_MS 30000
/* A libvirtd that runs takes some milliseconds for a connection, a stopped one takes for ever. */
#define CONNECT_MS 20000

void keeper_accuse_libvirtd(const char *why)
{
	log_warning("libvirtd hangs: %s; asking PID 1 to start it anew", why);
	report_hangs("libvirtd");
}

int64_t keeper_connect_deadline(const struct keeper *keeper)
{
	/* A freeze has the worker for as long as it takes to copy a disk. */
	if (keeper->linked || keeper_freezing(keeper))
		return INT64_MAX;
	return keeper->worker.busy ? keeper->connect_until : keeper->next_connect;
}

void keeper_connect_if_due(struct keeper *keeper, int64_t now)
{
	if (keeper->linked || now < keeper_connect_deadline(keeper))
		return;
	if (keeper->worker.busy) {
		keeper_accuse_libvirtd("it does not accept a connection");
		keeper->connect_until = now + CONNECT_MS;
		return;
	}
	keeper->connect_until = now + CONNECT_MS;
	keeper->connection++;
	keeper->broken = false;
	keeper->outdated = false;
	worker_give(&keeper->worker, VIRT_CONNECT);
}

void keeper_link_lost(struct keeper *keeper, const char *why)
{
	int64_t now = now_ms();

	keeper->broken = true;
	if (!keeper->linked)
		return;
	keeper->linked = false;
	keeper->restoring = keeper->deaf = false;
	if (keeper->evidence.saving)
		keeper_not_saved(keeper, why);
	/* What comes of a freeze its own job tells: much of it needs no libvirtd. */
	keeper->wanted = VIRT_NOTHING;
	keeper->backoff = BACKOFF_MIN_MS;
	keeper->next_connect = now + keeper->backoff;
	/* What is under way over the lost connection has to come back first. */
	keeper->connect_until = now + CONNECT_MS;
	keeper->away_since = now;
	keeper->next_complaint = now + COMPLAIN_EVERY_MS;
	log_warning("libvirtd is away: %s; the guest goes on without it", why);
	keeper_feed(keeper, LIFE_LOST);
}

/** not_connected() - An attempt failed: try again a little later. */
static void not_connected(struct keeper *keeper, const struct virt_result *result)
{
	int64_t now = now_ms();

	keeper->next_connect = now + keeper->backoff;
	keeper->backoff =
		keeper->backoff * 2 < BACKOFF_MAX_MS ? keeper->backoff * 2 : BACKOFF_MAX_MS;
	log_debug("libvirtd: %s", result->text);
	if (now < keeper->next_complaint)
		return;
	keeper->next_complaint = now + COMPLAIN_EVERY_MS;
	log_warning("libvirtd cannot be reached for %lld s: %s",
		    (long long)(now - keeper->away_since) / 1000, result->text);
	report_extend(EXTEND_MS);
}

/** found() - What libvirtd said about the guest. */
static void found(struct keeper *keeper, const struct virt_result *result)
{
	/*
	 * What happened meanwhile was heard, but an answer from before it must not undo it: ask
	 * again.
	 */
	if (keeper->outdated) {
		keeper->wanted = VIRT_LOOK;
		return;
	}
	if (result->found == LIFE_SUSPENDED)
		snprintf(keeper->pause_reason, sizeof(keeper->pause_reason), "%s", result->reason);
	if (result->found == LIFE_UP)
		keeper->pause_reason[0] = '\0';
	if (result->found == LIFE_SHUTDOWN)
		/* QEMU waits like this after a power-off alone; at a signal it leaves. */
		keeper->evidence.shutdown = SHUTDOWN_BY_GUEST;
	if (result->found == LIFE_FOUND_ENDED)
		keeper->evidence.stopped = result->stopped;
	else if (result->found == LIFE_FOUND_OFF)
		keeper->evidence.stopped = STOPPED_UNKNOWN;
	keeper_probe_agent(keeper, result->agent);
	if (result->found == LIFE_FOUND_STARTING)
		keeper_start_found(keeper);
	keeper_feed(keeper, result->found);
	if (result->found == LIFE_SUSPENDED)
		keeper_found_paused(keeper);
	/* Over the old connection it would not have been heard. */
	if (keeper->agent)
		keeper_feed(keeper, LIFE_SIGN);
}

static void connected(struct keeper *keeper, const struct virt_result *result)
{
	int64_t now = now_ms();

	if (keeper->broken) {
		not_connected(keeper, result);
		return;
	}
	log_info("connected to libvirtd after %lld ms", (long long)(now - keeper->away_since));
	keeper->linked = true;
	keeper->backoff = BACKOFF_MIN_MS;
	found(keeper, result);
}

/** failed() - libvirtd is there and said no. */
static void failed(struct keeper *keeper, const struct virt_result *result)
{
	switch (result->job) {
	case VIRT_DEFINE:
	case VIRT_CREATE:
		snprintf(keeper->refusal, sizeof(keeper->refusal), "%s", result->text);
		keeper->config_error = result->config_error;
		keeper_feed(keeper, result->job == VIRT_DEFINE ? LIFE_REFUSED : LIFE_FAILED);
		break;
	case VIRT_RESTORE: keeper_not_restored(keeper, result); break;
	case VIRT_SAVE: keeper_not_saved(keeper, result->text); break;
	case VIRT_ASK_WINDOWS: keeper_windows_asked(keeper, result); break;
	case VIRT_FREEZE: keeper_not_frozen(keeper, result->text); break;
	case VIRT_LOOK: keeper->wanted = VIRT_LOOK; break;
	case VIRT_DESTROY_GRACEFUL:
	case VIRT_DESTROY:
		log_warning("%s failed: %s", virt_job_name(result->job), result->text);
		stop_failed(&keeper->stop, now_ms());
		break;
	case VIRT_AGENT:
		/* One that hangs would take five seconds of each round, in which no press goes out.
		 */
		keeper->stop.use_agent = false;
		log_info("%s failed: %s", virt_job_name(result->job), result->text);
		break;
	case VIRT_PRESS_KEY:
	case VIRT_EJECT_ANSWERS:
	case VIRT_BUTTON:
	case VIRT_RESUME:
	case VIRT_WAKE:
	case VIRT_WAKE_UP:
		/* Often it just stopped by itself; if not, the policy tries again. */
		log_info("%s failed: %s", virt_job_name(result->job), result->text);
		break;
	case VIRT_RESUME_IF_ROOM:
		log_info("%s failed: %s", virt_job_name(result->job), result->text);
		room_looked(&keeper->room, false, now_ms());
		break;
	case VIRT_NOTHING:
	case VIRT_CONNECT:
	case N_VIRT_JOBS: break;
	}
}

/** done() - libvirtd did it. */
static void done(struct keeper *keeper, const struct virt_result *result)
{
	switch (result->job) {
	case VIRT_CONNECT: connected(keeper, result); break;
	case VIRT_LOOK: found(keeper, result); break;
	case VIRT_DEFINE:
		log_debug("the guest is defined");
		keeper_feed(keeper, LIFE_DEFINED);
		break;
	case VIRT_RESUME_IF_ROOM: keeper_room_looked(keeper, result); break;
	case VIRT_CREATE:
	case VIRT_RESTORE: keeper_created(keeper); break;
	case VIRT_SAVE: keeper_saved(keeper); break;
	case VIRT_ASK_WINDOWS: keeper_windows_asked(keeper, result); break;
	case VIRT_FREEZE: keeper_frozen(keeper, result); break;
	case VIRT_WAKE_UP: log_info("the guest's clock is set"); break;
	case VIRT_PRESS_KEY: keeper_install_pressed(keeper, result->booted); break;
	case VIRT_EJECT_ANSWERS:
	case VIRT_BUTTON:
	case VIRT_AGENT:
	case VIRT_RESUME:
	case VIRT_WAKE:
	case VIRT_DESTROY_GRACEFUL:
	case VIRT_DESTROY:
		/* The guest's own events tell what came of it. */
	case VIRT_NOTHING:
	case N_VIRT_JOBS: break;
	}
}

/** lost() - libvirtd went away while it was at it. */
static void lost(struct keeper *keeper, const struct virt_result *result)
{
	keeper_link_lost(keeper, result->text);
	if (result->job == VIRT_ASK_WINDOWS)
		keeper_windows_asked(keeper, result);
	if (result->job == VIRT_FREEZE)
		keeper_not_frozen(keeper, result->text);
}

static void on_job(struct keeper *keeper)
{
	const struct virt_result *result = &keeper->worker.result;

	worker_taken(&keeper->worker);
	if (keeper->ended)
		return;
	if (result->outcome == VIRT_DONE)
		done(keeper, result);
	else if (result->outcome == VIRT_FAILED)
		failed(keeper, result);
	else if (result->job == VIRT_CONNECT)
		not_connected(keeper, result);
	else
		lost(keeper, result);
}

/** on_life() - Something happened to the guest. */
static void on_life(struct keeper *keeper, const struct message *message)
{
	struct evidence *evidence = &keeper->evidence;

	keeper->outdated = true;
	/*
	 * Before the first look it may be about an earlier life; and after this the look is made
	 * once more.
	 */
	if (keeper->life == LIFE_UNKNOWN || keeper->life == LIFE_STOP_UNKNOWN)
		return;
	if (keeper->deaf || keeper_freezing(keeper))
		return;
	if (message->life == LIFE_SHUTDOWN && evidence->shutdown != SHUTDOWN_BY_GUEST)
		evidence->shutdown = message->shutdown;
	if (message->life == LIFE_STOPPED)
		evidence->stopped = message->stopped;
	/* To be saved it stands still. */
	if (message->life == LIFE_SUSPENDED && !evidence->saving) {
		/* The disk's own words came just before, and say more than this event. */
		if (message->text[0] &&
		    !(keeper->pause_reason[0] && streq(message->text, "I/O error")))
			snprintf(keeper->pause_reason, sizeof(keeper->pause_reason), "%.*s",
				 (int)sizeof(keeper->pause_reason) - 1, message->text);
		/* Unless they came before the news that it goes on: libvirtd still knows them. */
		if (streq(keeper->pause_reason, "I/O error") && keeper->wanted == VIRT_NOTHING)
			keeper->wanted = VIRT_LOOK;
		log_warning("the guest is paused%s%s", keeper->pause_reason[0] ? ": " : "",
			    keeper->pause_reason);
	}
	if (message->life == LIFE_UP) {
		if (keeper->life == LIFE_PAUSED || keeper->life == LIFE_STOP_PAUSED)
			log_info("the guest goes on");
		keeper->pause_reason[0] = '\0';
	}
	keeper_feed(keeper, message->life);
	if (message->life == LIFE_SUSPENDED)
		keeper_found_paused(keeper);
}

void keeper_message(struct keeper *keeper, const struct message *message)
{
	if (message->type == MESSAGE_JOB) {
		on_job(keeper);
		return;
	}
	/* What an old connection had left to say is known by now, or was looked up since. */
	if (message->connection != keeper->connection || keeper->ended)
		return;
	switch (message->type) {
	case MESSAGE_JOB: break;
	case MESSAGE_LOST:
		keeper_link_lost(keeper, message->text);
		if (message->flag)
			keeper_accuse_libvirtd("it does not answer");
		break;
	case MESSAGE_LIFE: on_life(keeper, message); break;
	case MESSAGE_PANIC:
		log_error("the guest crashed by its own account");
		keeper->evidence.panicked = true;
		snprintf(keeper->pause_reason, sizeof(keeper->pause_reason), "crashed");
		keeper_feed(keeper, LIFE_SUSPENDED);
		break;
	case MESSAGE_DISK:
		snprintf(keeper->pause_reason, sizeof(keeper->pause_reason), "%.*s",
			 (int)sizeof(keeper->pause_reason) - 1, message->text);
		break;
	case MESSAGE_AGENT:
		if (keeper->agent != message->flag)
			log_info("the guest agent is %s", message->flag ? "connected" : "gone");
		keeper_probe_agent(keeper, message->flag);
		if (message->flag)
			keeper_feed(keeper, LIFE_SIGN);
		break;
	case MESSAGE_NOTE:
		/* Of an attempt that fails the answer tells. */
		if (!keeper->deaf)
			log_warning("%s", message->text);
		break;
	}
}
