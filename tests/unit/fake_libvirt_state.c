/* The part of the fake libvirt that saves, loads and freezes guests. */
#include "fake_libvirt.h"
#include "lib/util.h"

#include <libvirt/libvirt-qemu.h>

#include <stdio.h>
#include <string.h>

int virDomainSaveFlags(virDomain *domain, const char *to, const char *xml, unsigned flags)
{
	FILE *file;

	(void)domain;
	/* What is frozen runs when it is loaded again. */
	if (fake_libvirt_call(xml                               ? "a save nobody wanted" :
			      flags == VIR_DOMAIN_SAVE_RUNNING ? "save-running" :
			      flags                             ? "a save nobody wanted" :
								  "save"))
		return -1;
	file = fake.no_state ? NULL : fopen(to, "we");
	if (file) {
		fputs("memory", file);
		fclose(file);
	}
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
	if (fake.die_saved)
		fake_libvirt_die();
	return 0;
}

int virDomainRestoreFlags(virConnect *connect, const char *from, const char *xml, unsigned flags)
{
	(void)connect;
	(void)from;
	if (xml)
		snprintf(fake.xml, sizeof(fake.xml), "%s", xml);
	if (fake_libvirt_call(flags != VIR_DOMAIN_SAVE_PAUSED ? "a restore nobody wanted" : xml ? "restore-rebased" : "restore"))
		return -1;
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_MIGRATION;
	return 0;
}

char *virDomainSaveImageGetXMLDesc(virConnect *connect, const char *file, unsigned flags)
{
	char text[512];

	(void)connect;
	(void)file;
	(void)flags;
	snprintf(text, sizeof(text), "<domain><devices><disk><driver/><source file='%s'/></disk></devices></domain>", fake.disk);
	return strdup(text);
}

int virDomainFSFreeze(virDomain *domain, const char **mountpoints, unsigned n, unsigned flags)
{
	(void)domain;
	(void)mountpoints;
	(void)n;
	(void)flags;
	return fake_libvirt_call("fsfreeze");
}

int virDomainFSThaw(virDomain *domain, const char **mountpoints, unsigned n, unsigned flags)
{
	(void)domain;
	(void)mountpoints;
	(void)n;
	(void)flags;
	return fake_libvirt_call("fsthaw");
}

int virDomainGetGuestInfo(virDomain *domain, unsigned types, virTypedParameterPtr *params, int *n, unsigned flags)
{
	int size = 0;

	(void)domain;
	(void)flags;
	if (fake_libvirt_call(types == VIR_DOMAIN_GUEST_INFO_OS ? "osinfo" : "facts that nobody wanted"))
		return -1;
	if (fake.unknown_system)
		return 0;
	return virTypedParamsAddString(params, n, &size, "os.id", fake.windows ? "mswindows" : "debian");
}

char *virDomainQemuAgentCommand(virDomain *domain, const char *command, int timeout, unsigned flags)
{
	bool look = strstr(command, "\"guest-exec-status\"") && strstr(command, "\"pid\":71");
	bool begin = strstr(command, "\"guest-exec\"") && strstr(command, "powershell") && strstr(command, "RebootPending");
	char text[80];

	(void)domain;
	if (fake_libvirt_call(timeout <= 0 || flags ? "a command without an end" : look ? "look" : begin ? "exec" : "a command that nobody wanted"))
		return NULL;
	if (!look)
		return strdup("{\"return\":{\"pid\":71}}");
	if (fake.windows_looks) {
		fake.windows_looks--;
		return strdup("{\"return\":{\"exited\":false}}");
	}
	snprintf(text, sizeof(text), "{\"return\":{\"exited\":true,\"exitcode\":%u}}", fake.windows);
	return strdup(text);
}

int virDomainAgentSetResponseTimeout(virDomain *domain, int seconds, unsigned flags)
{
	(void)domain;
	(void)flags;
	return seconds > 0 ? 0 : -1;
}

int virDomainSetTime(virDomain *domain, long long seconds, unsigned nseconds, unsigned flags)
{
	(void)domain;
	(void)nseconds;
	(void)flags;
	return fake_libvirt_call(seconds > 1700000000 ? "set-time" : "a time that nobody wanted");
}

int virConnectGetVersion(virConnect *connect, unsigned long *version)
{
	(void)connect;
	*version = 7002000;
	return 0;
}

int virConnectGetLibVersion(virConnect *connect, unsigned long *version)
{
	(void)connect;
	*version = 9000000;
	return 0;
}
