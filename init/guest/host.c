#include "init/guest/host.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#define REMEDY "or ask for slow emulation with CASEMENT_GUEST_ACCEL=tcg"

/** explain() - Why the device does not open. */
static int explain(const char *device, int error, struct failure *failure)
{
	switch (error) {
	case ENOENT:
		return failure_set(failure, EXIT_UNAVAILABLE, -error,
				   "there is no %s: start the container with --device %s, " REMEDY,
				   device, device);
	case EACCES:
	case EPERM:
		return failure_set(
			failure, EXIT_UNAVAILABLE, -error,
			"%s may not be opened: %s; start the container with --device %s, " REMEDY,
			device, strerror(error), device);
	case ENXIO:
	case ENODEV:
		return failure_set(
			failure, EXIT_UNAVAILABLE, -error,
			"%s has no KVM behind it: load kvm_intel or kvm_amd on the host and switch "
			"virtualisation on in its firmware, " REMEDY,
			device);
	default:
		return failure_set(failure, EXIT_UNAVAILABLE, -error,
				   "%s cannot be opened: %s, " REMEDY, device, strerror(error));
	}
}

int host_accel(enum accel accel, const char *device, bool *ret_kvm, struct failure *failure)
{
	autoclose int fd = -1;
	int version;

	if (accel == ACCEL_TCG) {
		*ret_kvm = false;
		return 0;
	}
	fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return explain(device, errno, failure);
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return failure_set(failure, EXIT_UNAVAILABLE, -ENODEV,
				   "%s is not KVM as it has been since Linux 2.6.22: mount the "
				   "host's device, " REMEDY,
				   device);
	*ret_kvm = true;
	return 0;
}

bool host_is_intel(void)
{
	unsigned highest, b, c, d;

	if (!__get_cpuid(0, &highest, &b, &c, &d))
		return false;
	return b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx;
}

void host_processor(char ret_text[static HOST_PROCESSOR_SIZE])
{
	autofclose FILE *file = fopen("/proc/cpuinfo", "re");
	autofree char *line = NULL;
	char model[96] = "";
	uint64_t features = 0;
	size_t size = 0;

	/* The first one speaks for all; an empty line ends it. */
	while (file && getline(&line, &size, file) > 1) {
		const char *value = strchr(line, ':');

		if (value && strncmp(line, "model name", 10) == 0)
			snprintf(model, sizeof(model), "%.*s", (int)strcspn(value + 1, "\n"),
				 value + 1);
		else if (value && strncmp(line, "flags", 5) == 0)
			features = digest(value);
	}
	snprintf(ret_text, HOST_PROCESSOR_SIZE, "%016llx%s", (unsigned long long)features, model);
}
