#include "init/pid1/preflight.h"

#include "init/pid1/device.h"
#include "lib/account.h"
#include "lib/log.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <errno.h>
#include <ftw.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* In the order of their numbers, capabilities(7). */
static const char *const capability_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

static int find_capability(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(capability_names); i++) {
		if (strcasecmp(name, capability_names[i]) == 0)
			return (int)i;
	}
	return -1;
}

int preflight_names(const struct config *config)
{
	int result = 0;

	for (size_t i = 0; i < config->n_services; i++) {
		const struct service_config *service = &config->services[i];
		uid_t uid;
		gid_t gid;

		if (service->user && account_user(service->user, &uid, &gid) < 0) {
			log_error("[service %s] user: there is no user %s", service->name,
				  service->user);
			result = -ESRCH;
		}
		if (service->group && account_group(service->group, &gid) < 0) {
			log_error("[service %s] group: there is no group %s", service->name,
				  service->group);
			result = -ESRCH;
		}
		for (size_t j = 0; j < service->capabilities.n; j++) {
			const char *name = service->capabilities.item[j];

			if (find_capability(name) >= 0)
				continue;
			log_error("[service %s] capabilities: there is no capability %s",
				  service->name, name);
			result = -ESRCH;
		}
	}
	return result;
}

static int check_capabilities(const struct service_config *service)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int result = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (size_t i = 0; i < service->capabilities.n; i++) {
		const char *name = service->capabilities.item[i];
		int capability = find_capability(name);

		if (capability < 0)
			continue; /* preflight_names() has said so */
		if (!(data[capability / 32].effective >> (capability % 32) & 1)) {
			log_error(
				"%s needs the capability %s: start the container with --cap-add %s",
				service->name, capability_names[capability],
				capability_names[capability]);
			result = -ENODEV;
		}
	}
	return result;
}

static bool is_required(const struct config *config, const struct device_config *device)
{
	/* Without it there is no guest in any case, and casement-guest knows better what helps. */
	if (device->as != DEVICE_NODE)
		return false;
	switch (device->required) {
	case REQUIRED_NO: return false;
	case REQUIRED_YES: return true;
	case REQUIRED_KVM: return config->guest.accel != ACCEL_TCG;
	}
	return false;
}

int preflight_check(const struct config *config)
{
	char text[512];
	int result = 0;

	for (size_t i = 0; i < config->n_devices; i++) {
		const struct device_config *device = &config->devices[i];

		if (!is_required(config, device) || device_check(device, text, sizeof(text)) == 0)
			continue;
		if (device->required == REQUIRED_KVM)
			log_error("%s (or set CASEMENT_GUEST_ACCEL=tcg for slow emulation)", text);
		else
			log_error("%s", text);
		result = -ENODEV;
	}
	for (size_t i = 0; i < config->n_services; i++) {
		if (check_capabilities(&config->services[i]) < 0)
			result = -ENODEV;
	}
	return result;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	if (remove(path) < 0 && errno != ENOENT && errno != EBUSY)
		log_warning("%s: left by an earlier run and cannot be removed: %s", path,
			    strerror(errno));
	return 0;
}

/* `docker restart` keeps /run: pid files, sockets and state of processes that are no more. */
static void clean(const struct service_config *service)
{
	for (size_t i = 0; i < service->clean.n; i++) {
		if (nftw(service->clean.item[i], remove_entry, 8,
			 FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 &&
		    errno != ENOENT)
			log_warning("%s: left by an earlier run and cannot be removed: %s",
				    service->clean.item[i], strerror(errno));
	}
}

int preflight_alone(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = STATUS_SOCKET };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* A socket that nobody listens at was left by an earlier run. */
	if (fd < 0 || (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		       errno != EAGAIN))
		return 0;
	log_error(
		"casement runs already in this container: ask it with casementctl, or use --check");
	return -EBUSY;
}

int preflight_prepare(const struct config *config)
{
	char text[512];

	for (size_t i = 0; i < config->n_devices; i++) {
		const struct device_config *device = &config->devices[i];
		int result = device_fix(device, text, sizeof(text));

		/*
		 * A missing device is preflight_check()'s matter, and a required one that is wrong
		 * ends the start there.
		 */
		if (result < 0 && result != -ENOENT)
			log_warning("%s", text);
		else if (result > 0)
			log_info("%s", text);
	}
	for (size_t i = 0; i < config->n_services; i++)
		clean(&config->services[i]);
	if (mkdir(RUN_DIRECTORY, 0755) < 0 && errno != EEXIST) {
		log_error("%s: cannot be made: %s; with a read-only root start the container with "
			  "--tmpfs /run",
			  RUN_DIRECTORY, strerror(errno));
		return -errno;
	}
	return 0;
}
