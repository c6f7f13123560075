#include "fake_libvirt.h"

#include "lib/util.h"

#include <libvirt/virterror.h>
#include <pthread.h>
#include <sys/statvfs.h>

#define MAX_IDS 32

struct fake_libvirt fake;

/* libvirt stores callbacks of every type as one. */
union callback {
	virConnectDomainEventGenericCallback generic;
	virConnectDomainEventCallback lifecycle;
	virConnectDomainEventIOErrorReasonCallback disk;
	virConnectDomainEventAgentLifecycleCallback agent;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *entered;
	bool open;
	union callback callback[MAX_IDS];
	void *opaque[MAX_IDS];
	virFreeCallback free_callback[MAX_IDS];
	virConnectCloseFunc close;
	void *close_opaque;
	virFreeCallback close_free;
	bool alive;
} inner = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/*
 * Each thread has its own, as with libvirt. The event loop, which is libvirt's, clears the main
 * thread's whenever it turns.
 */
static _Thread_local virError last_error;
static _Thread_local bool failed;

/* The objects are opaque to everybody, so any address will do. */
static int connect_object, domain_object;
#define CONNECT ((virConnect *)&connect_object)
#define DOMAIN ((virDomain *)&domain_object)

void fake_libvirt_reset(void)
{
	fake = (struct fake_libvirt){ .reachable = true, .state = VIR_DOMAIN_SHUTOFF };
	inner.open = false;
	inner.entered = NULL;
	failed = false;
}

int fake_libvirt_call(const char *name)
{
	static char words[] = "the fake says no";
	bool wanted;

	pthread_mutex_lock(&inner.lock);
	if (fake.n_calls < FAKE_CALLS)
		fake.calls[fake.n_calls++] = name;
	if (fake.gated && !inner.open && (!fake.gated_call || streq(fake.gated_call, name))) {
		inner.entered = name;
		pthread_cond_broadcast(&inner.changed);
		while (!inner.open)
			pthread_cond_wait(&inner.changed, &inner.lock);
	}
	if (fake.break_call && streq(fake.break_call, name)) {
		inner.alive = false;
		fake.break_call = NULL;
	}
	failed = false;
	wanted = fake.fail && (!fake.fail_call || streq(fake.fail_call, name));
	if (wanted || !inner.alive) {
		last_error = (virError){ .code = wanted ? fake.fail : VIR_ERR_RPC };
		last_error.message = words;
		fake.fail = 0;
		failed = true;
	}
	pthread_mutex_unlock(&inner.lock);
	return failed ? -1 : 0;
}

const char *fake_libvirt_entered(void)
{
	const char *name;

	pthread_mutex_lock(&inner.lock);
	while (!inner.entered)
		pthread_cond_wait(&inner.changed, &inner.lock);
	name = inner.entered;
	pthread_mutex_unlock(&inner.lock);
	return name;
}

void fake_libvirt_open_gate(void)
{
	pthread_mutex_lock(&inner.lock);
	inner.open = true;
	pthread_cond_broadcast(&inner.changed);
	pthread_mutex_unlock(&inner.lock);
}

const char *fake_libvirt_calls(void)
{
	static char text[1024];

	text[0] = '\0';
	pthread_mutex_lock(&inner.lock);
	for (unsigned i = 0; i < fake.n_calls; i++) {
		strcat(text, i ? " " : "");
		strcat(text, fake.calls[i]);
	}
	pthread_mutex_unlock(&inner.lock);
	return text;
}

void fake_libvirt_event(int event, int detail)
{
	const int id = VIR_DOMAIN_EVENT_ID_LIFECYCLE;

	if (inner.callback[id].lifecycle)
		inner.callback[id].lifecycle(CONNECT, DOMAIN, event, detail, inner.opaque[id]);
}

void fake_libvirt_signal_event(int id)
{
	if (inner.callback[id].generic)
		inner.callback[id].generic(CONNECT, DOMAIN, inner.opaque[id]);
}

void fake_libvirt_disk_event(const char *reason)
{
	const int id = VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON;

	if (inner.callback[id].disk)
		inner.callback[id].disk(CONNECT, DOMAIN, "/disk", "sata0-0-0", VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, reason,
					inner.opaque[id]);
}

void fake_libvirt_agent_event(bool connected)
{
	const int id = VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE;

	if (inner.callback[id].agent)
		inner.callback[id].agent(CONNECT, DOMAIN, connected ? 1 : 2, 0, inner.opaque[id]);
}

void fake_libvirt_die(void)
{
	inner.alive = fake.reachable = false;
}

void fake_libvirt_hang_up(void)
{
	inner.alive = false;
	if (inner.close)
		inner.close(CONNECT, VIR_CONNECT_CLOSE_REASON_EOF, inner.close_opaque);
}

virConnect *virConnectOpen(const char *uri)
{
	(void)uri;
	inner.alive = fake.reachable;
	if (fake_libvirt_call("open"))
		return NULL;
	fake.connections++;
	return CONNECT;
}

int virConnectSetKeepAlive(virConnect *connect, int interval, unsigned count)
{
	(void)connect;
	return interval > 0 && count > 0 ? 0 : -1;
}

int virConnectIsAlive(virConnect *connect)
{
	(void)connect;
	return inner.alive;
}

int virConnectClose(virConnect *connect)
{
	(void)connect;
	return 0;
}

int virConnectRegisterCloseCallback(virConnect *connect, virConnectCloseFunc callback, void *opaque, virFreeCallback freecb)
{
	(void)connect;
	inner.close = callback;
	inner.close_opaque = opaque;
	inner.close_free = freecb;
	return 0;
}

int virConnectUnregisterCloseCallback(virConnect *connect, virConnectCloseFunc callback)
{
	(void)connect;
	(void)callback;
	if (inner.close && inner.close_free)
		inner.close_free(inner.close_opaque);
	inner.close = NULL;
	return 0;
}

int virConnectDomainEventRegisterAny(virConnect *connect, virDomain *domain, int id,
				     virConnectDomainEventGenericCallback callback, void *opaque, virFreeCallback freecb)
{
	(void)connect;
	(void)domain;
	inner.callback[id].generic = callback;
	inner.opaque[id] = opaque;
	inner.free_callback[id] = freecb;
	return id;
}

int virConnectDomainEventDeregisterAny(virConnect *connect, int id)
{
	(void)connect;
	if (inner.callback[id].generic && inner.free_callback[id])
		inner.free_callback[id](inner.opaque[id]);
	inner.callback[id].generic = NULL;
	return 0;
}

char *virConnectGetDomainCapabilities(virConnect *connect, const char *emulator, const char *arch, const char *machine,
				      const char *type, unsigned flags)
{
	(void)connect;
	(void)emulator;
	(void)arch;
	(void)machine;
	(void)type;
	(void)flags;
	return strdup("<domainCapabilities/>");
}

virDomain *virDomainLookupByName(virConnect *connect, const char *name)
{
	(void)connect;
	(void)name;
	if (fake.defined)
		return DOMAIN;
	last_error = (virError){ .code = VIR_ERR_NO_DOMAIN };
	failed = true;
	return NULL;
}

const char *virDomainGetName(virDomain *domain)
{
	(void)domain;
	return "windows";
}

int virDomainGetUUIDString(virDomain *domain, char *uuid)
{
	(void)domain;
	strcpy(uuid, "00000000-0000-4000-8000-000000000001");
	return 0;
}

int virDomainFree(virDomain *domain)
{
	(void)domain;
	return 0;
}

int virDomainGetState(virDomain *domain, int *state, int *reason, unsigned flags)
{
	(void)domain;
	(void)flags;
	*state = fake.state;
	*reason = fake.reason;
	return fake_libvirt_call("state");
}

char *virDomainGetXMLDesc(virDomain *domain, unsigned flags)
{
	char text[1024], answers[256] = "";

	(void)domain;
	(void)flags;
	if (fake.answers)
		snprintf(answers, sizeof(answers), "<disk><source file='%s'/><target dev='sdc'/></disk>", fake.answers);
	snprintf(text, sizeof(text), "<domain><devices><disk><source file='/other'/><target dev='sdb'/></disk>"
				     "<disk><source %s='/disk'/><target dev='sda'/></disk>%s<channel><target name='org.qemu.guest_agent.0' state='%s'/></channel>"
				     "</devices></domain>",
		 fake.no_file ? "dev" : "file", answers, fake.agent ? "connected" : "disconnected");
	return strdup(text);
}

int virDomainGetDiskErrors(virDomain *domain, virDomainDiskError *errors, unsigned max, unsigned flags)
{
	(void)domain;
	(void)flags;
	if (!fake.disk_full || max == 0)
		return 0;
	errors[0] = (virDomainDiskError){ strdup("sda"), VIR_DOMAIN_DISK_ERROR_NO_SPACE };
	return 1;
}

/* Of the file systems the test decides, too. */
int statvfs(const char *path, struct statvfs *ret_status)
{
	*ret_status = (struct statvfs){ .f_frsize = 4096, .f_blocks = (1 << 30) / 4096 };
	/* What is root's alone, and what is another disk's, does not count. */
	ret_status->f_bfree = ret_status->f_blocks;
	ret_status->f_bavail = (streq(path, "/disk") ? fake.room : 1 << 30) / 4096;
	return 0;
}

virDomain *virDomainDefineXMLFlags(virConnect *connect, const char *xml, unsigned flags)
{
	(void)connect;
	snprintf(fake.xml, sizeof(fake.xml), "%s", xml);
	if (fake_libvirt_call("define") || !(flags & VIR_DOMAIN_DEFINE_VALIDATE))
		return NULL;
	fake.defined = true;
	return DOMAIN;
}

int virDomainUndefineFlags(virDomain *domain, unsigned flags)
{
	(void)domain;
	return flags == (VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM) ? fake_libvirt_call("undefine") : -1;
}

int virDomainCreateWithFlags(virDomain *domain, unsigned flags)
{
	(void)domain;
	(void)flags;
	if (fake_libvirt_call("create"))
		return -1;
	fake.state = VIR_DOMAIN_RUNNING;
	return 0;
}

int virDomainShutdownFlags(virDomain *domain, unsigned flags)
{
	(void)domain;
	return fake_libvirt_call(flags == VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN ? "button" :
		    flags == VIR_DOMAIN_SHUTDOWN_GUEST_AGENT    ? "agent" :
								  "a shutdown nobody wanted");
}

int virDomainResume(virDomain *domain)
{
	(void)domain;
	if (fake_libvirt_call("resume"))
		return -1;
	fake.state = VIR_DOMAIN_RUNNING;
	return 0;
}

int virDomainSendKey(virDomain *domain, unsigned set, unsigned held, unsigned *keys, int n, unsigned flags)
{
	(void)domain;
	return fake_libvirt_call(set == VIR_KEYCODE_SET_LINUX && held && n == 1 && keys[0] == 28 && !flags ? "key" : "a key nobody wanted");
}

int virDomainBlockStats(virDomain *domain, const char *disk, virDomainBlockStatsPtr stats, size_t size)
{
	(void)domain;
	memset(stats, 0, size);
	stats->rd_bytes = fake.read;
	return streq(disk, "sdb") ? 0 : -1;
}

int virDomainUpdateDeviceFlags(virDomain *domain, const char *xml, unsigned flags)
{
	(void)domain;
	snprintf(fake.xml, sizeof(fake.xml), "%s", xml);
	if (fake_libvirt_call(flags == ((unsigned)VIR_DOMAIN_AFFECT_LIVE | (unsigned)VIR_DOMAIN_DEVICE_MODIFY_FORCE) ? "update" : "an update nobody wanted"))
		return -1;
	fake.answers = NULL;
	return 0;
}

int virDomainPMWakeup(virDomain *domain, unsigned flags)
{
	(void)domain;
	(void)flags;
	return fake_libvirt_call("wake");
}

int virDomainDestroyFlags(virDomain *domain, unsigned flags)
{
	(void)domain;
	return fake_libvirt_call(flags == VIR_DOMAIN_DESTROY_GRACEFUL ? "destroy-graceful" : "destroy");
}

void virResetLastError(void)
{
	failed = false;
}

virError *virGetLastError(void)
{
	return failed ? &last_error : NULL;
}

int virGetLastErrorCode(void)
{
	return failed ? last_error.code : VIR_ERR_OK;
}

const char *virGetLastErrorMessage(void)
{
	return failed && last_error.message ? last_error.message : "no error";
}

void virSetErrorFunc(void *user_data, virErrorFunc handler)
{
	(void)user_data;
	(void)handler;
}
