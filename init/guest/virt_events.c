/*
 * Translator of libvirt's events.
 *
 * The callbacks run wherever libvirt reads its socket: in the event loop mostly, in the worker's
 * thread while that waits for an answer. They may call nothing of libvirt that asks libvirtd. So
 * they only post. Each knows the number of its connection: what a dead connection still delivers is
 * recognised as stale.
 */
#include "init/guest/virt_events.h"

#include "lib/util.h"

#include <errno.h>

/* What a callback gets; one per registration, freed by libvirt. */
struct listener {
	struct inbox *inbox;
	unsigned connection;
	char name[]; /* of the domain */
};

static struct listener *new_listener(const struct virt *virt)
{
	size_t size = strlen(virt->plan->name) + 1;
	struct listener *listener = malloc(sizeof(*listener) + size);

	if (!listener)
		return NULL;
	listener->inbox = virt->inbox;
	listener->connection = virt->connection;
	memcpy(listener->name, virt->plan->name, size);
	return listener;
}

/** post() - Post @message if it is about our guest. */
static void post(const struct listener *listener, virDomain *domain, struct message message)
{
	message.connection = listener->connection;
	if (!domain || streq(virDomainGetName(domain), listener->name))
		inbox_post(listener->inbox, &message);
}

const char *virt_pause_reason(int reason)
{
	switch (reason) {
	case VIR_DOMAIN_PAUSED_USER: return "by another client of libvirt";
	case VIR_DOMAIN_PAUSED_IOERROR: return "I/O error";
	case VIR_DOMAIN_PAUSED_WATCHDOG: return "watchdog";
	case VIR_DOMAIN_PAUSED_CRASHED: return "crashed";
	case VIR_DOMAIN_PAUSED_SAVE:
	case VIR_DOMAIN_PAUSED_DUMP:
	case VIR_DOMAIN_PAUSED_SNAPSHOT: return "snapshot";
	case VIR_DOMAIN_PAUSED_SHUTTING_DOWN: return "shutting down";
	default: return "";
	}
}

enum stopped_as virt_stopped_as(int reason)
{
	switch (reason) {
	case VIR_DOMAIN_SHUTOFF_SHUTDOWN: return STOPPED_SHUTDOWN;
	case VIR_DOMAIN_SHUTOFF_DESTROYED: return STOPPED_DESTROYED;
	case VIR_DOMAIN_SHUTOFF_CRASHED: return STOPPED_CRASHED;
	case VIR_DOMAIN_SHUTOFF_SAVED: return STOPPED_SAVED;
	case VIR_DOMAIN_SHUTOFF_FAILED:
	case VIR_DOMAIN_SHUTOFF_MIGRATED:
	case VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT:
	case VIR_DOMAIN_SHUTOFF_DAEMON: return STOPPED_FAILED;
	default: return STOPPED_UNKNOWN;
	}
}

/** stopped_event() - The detail of VIR_DOMAIN_EVENT_STOPPED. */
static enum stopped_as stopped_event(int detail)
{
	switch (detail) {
	case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: return STOPPED_SHUTDOWN;
	case VIR_DOMAIN_EVENT_STOPPED_DESTROYED: return STOPPED_DESTROYED;
	case VIR_DOMAIN_EVENT_STOPPED_CRASHED: return STOPPED_CRASHED;
	case VIR_DOMAIN_EVENT_STOPPED_SAVED: return STOPPED_SAVED;
	default: return STOPPED_FAILED;
	}
}

static const char *suspended_reason(int detail)
{
	switch (detail) {
	case VIR_DOMAIN_EVENT_SUSPENDED_PAUSED: return virt_pause_reason(VIR_DOMAIN_PAUSED_USER);
	case VIR_DOMAIN_EVENT_SUSPENDED_IOERROR:
		return virt_pause_reason(VIR_DOMAIN_PAUSED_IOERROR);
	case VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG:
		return virt_pause_reason(VIR_DOMAIN_PAUSED_WATCHDOG);
	default: return "";
	}
}

static int on_lifecycle(virConnect *connect, virDomain *domain, int event, int detail, void *opaque)
{
	struct message message = { .type = MESSAGE_LIFE };

	(void)connect;
	switch (event) {
	case VIR_DOMAIN_EVENT_STARTED:
	case VIR_DOMAIN_EVENT_RESUMED: message.life = LIFE_UP; break;
	case VIR_DOMAIN_EVENT_SUSPENDED:
		message.life = LIFE_SUSPENDED;
		snprintf(message.text, sizeof(message.text), "%s", suspended_reason(detail));
		break;
	case VIR_DOMAIN_EVENT_PMSUSPENDED: message.life = LIFE_SLEPT; break;
	case VIR_DOMAIN_EVENT_SHUTDOWN:
		message.life = LIFE_SHUTDOWN;
		message.shutdown = detail == VIR_DOMAIN_EVENT_SHUTDOWN_GUEST ? SHUTDOWN_BY_GUEST :
				   detail == VIR_DOMAIN_EVENT_SHUTDOWN_HOST  ? SHUTDOWN_BY_HOST :
									       SHUTDOWN_BY_SOMEBODY;
		break;
	case VIR_DOMAIN_EVENT_STOPPED:
		message.life = LIFE_STOPPED;
		message.stopped = stopped_event(detail);
		break;
	case VIR_DOMAIN_EVENT_CRASHED: message.type = MESSAGE_PANIC; break;
	default: return 0;
	}
	post(opaque, domain, message);
	return 0;
}

static void on_reboot(virConnect *connect, virDomain *domain, void *opaque)
{
	(void)connect;
	post(opaque, domain, (struct message){ .type = MESSAGE_LIFE, .life = LIFE_REBOOTED });
}

static void on_disk(virConnect *connect, virDomain *domain, const char *path, const char *alias,
		    int action, const char *reason, void *opaque)
{
	struct message message = { .type = MESSAGE_DISK };

	(void)connect;
	(void)path;
	(void)alias;
	/* QEMU says "enospc", and nothing for every other error. */
	if (reason && streq(reason, "enospc"))
		snprintf(message.text, sizeof(message.text), "ENOSPC");
	else
		snprintf(message.text, sizeof(message.text), "I/O error");
	if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
		post(opaque, domain, message);
}

static void on_watchdog(virConnect *connect, virDomain *domain, int action, void *opaque)
{
	struct message message = { .type = MESSAGE_NOTE };

	(void)connect;
	snprintf(message.text, sizeof(message.text), "the guest's watchdog fired (action %d)",
		 action);
	post(opaque, domain, message);
}

static void on_control_error(virConnect *connect, virDomain *domain, void *opaque)
{
	struct message message = { .type = MESSAGE_NOTE };

	(void)connect;
	snprintf(message.text, sizeof(message.text),
		 "libvirtd has lost QEMU's monitor: the guest cannot be controlled");
	post(opaque, domain, message);
}

static void on_agent(virConnect *connect, virDomain *domain, int state, int reason, void *opaque)
{
	(void)connect;
	(void)reason;
	post(opaque, domain,
	     (struct message){ .type = MESSAGE_AGENT,
			       .flag = state ==
				       VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED });
}

static void on_close(virConnect *connect, int reason, void *opaque)
{
	struct message message = {
		.type = MESSAGE_LOST,
		.flag = reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE,
	};

	(void)connect;
	snprintf(message.text, sizeof(message.text), "%s",
		 reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "it does not answer" :
		 reason == VIR_CONNECT_CLOSE_REASON_EOF	      ? "it closed the connection" :
								"the connection broke");
	post(opaque, NULL, message);
}

/*
 * libvirt knows which arguments each event has; clang wants to hear that the mismatch is meant, by
 * a detour.
 */
#define ANY_CALLBACK(callback) ((virConnectDomainEventGenericCallback)(void (*)(void))(callback))

int virt_events_register(struct virt *virt)
{
	static const struct {
		int id;
		virConnectDomainEventGenericCallback callback;
	} events[] = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, ANY_CALLBACK(on_lifecycle) },
		{ VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot },
		{ VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, ANY_CALLBACK(on_disk) },
		{ VIR_DOMAIN_EVENT_ID_WATCHDOG, ANY_CALLBACK(on_watchdog) },
		{ VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, on_control_error },
		{ VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, ANY_CALLBACK(on_agent) },
	};
	struct listener *listener = new_listener(virt);

	_Static_assert(ARRAY_SIZE(events) == VIRT_EVENTS,
		       "an event without a place for its callback's number");
	if (!listener ||
	    virConnectRegisterCloseCallback(virt->connect, on_close, listener, free) < 0) {
		free(listener);
		return -EIO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		listener = new_listener(virt);
		virt->callbacks[i] = listener ? virConnectDomainEventRegisterAny(virt->connect,
										 NULL, events[i].id,
										 events[i].callback,
										 listener, free)
					      : -1;
		if (virt->callbacks[i] < 0) {
			free(listener);
			return -EIO;
		}
	}
	return 0;
}

void virt_events_deregister(struct virt *virt)
{
	for (size_t i = 0; i < VIRT_EVENTS; i++) {
		if (virt->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(virt->connect, virt->callbacks[i]);
		virt->callbacks[i] = -1;
	}
	virConnectUnregisterCloseCallback(virt->connect, on_close);
}
