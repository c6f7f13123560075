/*
 * The jobs.
 *
 * A connection is made, listened to and only then asked about the guest, so nothing that happens
 * falls between question and events. Objects are looked up again on each connection, because an
 * object keeps its old connection alive. Nothing here retries; keeper.c decides.
 */
#include "init/guest/virt.h"

#include "init/guest/define.h"
#include "init/guest/virt_events.h"
#include "init/guest/virt_freeze.h"
#include "init/guest/virt_install.h"
#include "init/guest/virt_room.h"
#include "init/guest/virt_state.h"
#include "init/guest/virt_windows.h"
#include "init/guest/xml_read.h"

#include <errno.h>
#include <libvirt/virterror.h>

/* A libvirtd that is stopped or swamped is noticed after 5 * (3 + 1) seconds. */
#define KEEPALIVE_SECONDS 4
#define KEEPALIVE_COUNT 3

#define MAX_DISKS (1 + DRIVES_MAX)

static void ignore_error(void *opaque, virError *error)
{
	(void)opaque;
	(void)error;
}

void virt_init(struct virt *virt, const struct plan *plan, struct inbox *inbox, const char *uri)
{
	*virt = (struct virt){ .plan = plan, .inbox = inbox, .uri = uri };
	for (size_t i = 0; i < VIRT_EVENTS; i++)
		virt->callbacks[i] = -1;
	/* libvirt prints errors by itself otherwise; they are told where they are dealt with. */
	virSetErrorFunc(NULL, ignore_error);
}

void virt_clear(struct virt *virt)
{
	if (virt->domain)
		virDomainFree(virt->domain);
	virt->domain = NULL;
	if (!virt->connect)
		return;
	virt_events_deregister(virt);
	virConnectClose(virt->connect);
	virt->connect = NULL;
}

static bool agent_connected(virDomain *domain)
{
	autofree char *xml = virDomainGetXMLDesc(domain, 0);
	autofree char *state = xml ? xml_find(xml, "/domain/devices/channel/"
						   "target[@name='org.qemu.guest_agent.0']/@state")
				   : NULL;

	return state && streq(state, "connected");
}

/**
 * disk_is_full() - Did the guest pause because its disk could not grow? The event that said so was
 * missed.
 */
static bool disk_is_full(virDomain *domain)
{
	virDomainDiskError errors[MAX_DISKS];
	int n = virDomainGetDiskErrors(domain, errors, MAX_DISKS, 0);
	bool full = false;

	for (int i = 0; i < n; i++) {
		full = full || errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE;
		free(errors[i].disk);
	}
	return full;
}

static void describe_pause(virDomain *domain, int reason, struct virt_result *result)
{
	const char *text = virt_pause_reason(reason);

	if (reason == VIR_DOMAIN_PAUSED_STARTING_UP) {
		result->found = LIFE_FOUND_STARTING;
		return;
	}
	if (reason == VIR_DOMAIN_PAUSED_IOERROR && disk_is_full(domain))
		text = "ENOSPC";
	result->found = LIFE_SUSPENDED;
	snprintf(result->reason, sizeof(result->reason), "%s", text);
}

/** look() - What is the guest doing? Return: 0, or -EIO with libvirt's error set. */
static int look(struct virt *virt, struct virt_result *result)
{
	int state, reason;

	if (!virt->domain)
		virt->domain = virDomainLookupByName(virt->connect, virt->plan->name);
	result->found = LIFE_FOUND_OFF;
	if (!virt->domain)
		return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? 0 : -EIO;
	if (virDomainGetState(virt->domain, &state, &reason, 0) < 0)
		return -EIO;
	switch (state) {
	case VIR_DOMAIN_PAUSED: describe_pause(virt->domain, reason, result); break;
	case VIR_DOMAIN_SHUTDOWN:
		result->found = LIFE_SHUTDOWN;
		result->shutdown = SHUTDOWN_BY_SOMEBODY;
		break;
	case VIR_DOMAIN_SHUTOFF:
		result->stopped = virt_stopped_as(reason);
		if (result->stopped != STOPPED_UNKNOWN)
			result->found = LIFE_FOUND_ENDED;
		return 0;
	case VIR_DOMAIN_CRASHED:
		result->found = LIFE_SUSPENDED;
		snprintf(result->reason, sizeof(result->reason), "crashed");
		break;
	case VIR_DOMAIN_PMSUSPENDED: result->found = LIFE_SLEPT; break;
	default: result->found = LIFE_UP; break;
	}
	result->agent = agent_connected(virt->domain);
	return 0;
}

static int connect_anew(struct virt *virt, struct virt_result *result)
{
	virt_clear(virt);
	virt->connection++;
	result->connection = virt->connection;
	virt->connect = virConnectOpen(virt->uri);
	if (!virt->connect)
		return -EIO;
	if (virConnectSetKeepAlive(virt->connect, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) < 0)
		return -EIO;
	if (virt_events_register(virt))
		return -EIO;
	return look(virt, result);
}

static int run(struct virt *virt, enum virt_job job, struct virt_result *result)
{
	virDomain *domain = virt->domain;

	if (job != VIRT_CONNECT && !virt->connect)
		return -EIO;
	switch (job) {
	case VIRT_CONNECT: return connect_anew(virt, result);
	case VIRT_LOOK: return look(virt, result);
	case VIRT_DEFINE:
		return define_domain(virt->connect, virt->plan, &virt->domain, result->text,
				     sizeof(result->text));
	case VIRT_CREATE: return virt_create(virt);
	case VIRT_RESTORE: return virt_restore(virt, result);
	case VIRT_BUTTON: return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
	case VIRT_AGENT: return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT);
	case VIRT_RESUME: return virt_resume(virt, result);
	case VIRT_RESUME_IF_ROOM: return virt_resume_if_room(domain, result);
	case VIRT_WAKE: return virDomainPMWakeup(domain, 0);
	case VIRT_PRESS_KEY: return virt_press_key(domain, virt->plan, result);
	case VIRT_EJECT_ANSWERS: return virt_eject_answers(domain, virt->plan);
	case VIRT_SAVE: return virt_save(virt, result);
	case VIRT_ASK_WINDOWS: return virt_ask_windows(domain, result);
	case VIRT_FREEZE: return virt_freeze(virt, result);
	case VIRT_WAKE_UP: return virt_wake_up(virt);
	case VIRT_DESTROY_GRACEFUL:
		return virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL);
	case VIRT_DESTROY: return virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_DEFAULT);
	case VIRT_NOTHING:
	case N_VIRT_JOBS: break;
	}
	return 0;
}

/** blames_config() - Does libvirt's error say that it cannot run such a guest, now or ever? */
static bool blames_config(int code)
{
	switch (code) {
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_XML_ERROR:
	case VIR_ERR_XML_DETAIL:
	case VIR_ERR_XML_INVALID_SCHEMA:
	case VIR_ERR_NO_DOMAIN_METADATA:
	case VIR_ERR_INVALID_ARG: return true;
	default: return false;
	}
}

void virt_run(struct virt *virt, enum virt_job job, struct virt_result *ret_result)
{
	const virError *error;

	*ret_result = (struct virt_result){ .job = job, .connection = virt->connection };
	virResetLastError();
	if (run(virt, job, ret_result) >= 0)
		return;
	error = virGetLastError();
	ret_result->config_error = error && blames_config(error->code);
	if (!ret_result->text[0])
		snprintf(ret_result->text, sizeof(ret_result->text), "%s",
			 virGetLastErrorMessage());
	ret_result->outcome =
		!virt->connect || virConnectIsAlive(virt->connect) != 1 ? VIRT_LOST : VIRT_FAILED;
	/* A connection that was never complete hears nothing: it is none. */
	if (job == VIRT_CONNECT)
		ret_result->outcome = VIRT_LOST;
}

const char *virt_job_name(enum virt_job job)
{
	static const char *const names[] = {
		"nothing",
		"connecting",
		"looking at the guest",
		"defining the guest",
		"starting the guest",
		"resuming the guest from its saved state",
		"pressing the power button",
		"asking the guest agent to shut down",
		"resuming the guest",
		"resuming the guest if its disk has room",
		"waking the guest",
		"pressing a key",
		"taking the answers' CD out",
		"saving the guest",
		"asking Windows whether it may be frozen",
		"freezing the guest",
		"setting the guest's clock",
		"destroying the guest gracefully",
		"destroying the guest",
	};

	_Static_assert(ARRAY_SIZE(names) == N_VIRT_JOBS, "a job without a name");
	return names[job];
}
