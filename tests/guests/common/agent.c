/*
 * agent.c - as much of QEMU's guest agent as libvirt needs to shut a guest down, and to freeze and wake one; and as much as
 * casement asks of a Windows before it freezes that
 *
 * One JSON object a line, both ways, on the virtio-serial port org.qemu.guest_agent.0. A guest-shutdown that succeeds has
 * no answer: the guest's going away is the answer. Protocol: QEMU's qga/qapi-schema.json.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORT_NAME "org.qemu.guest_agent.0"

static bool is_agents(const char *name_path)
{
	char name[64] = "";
	FILE *f = fopen(name_path, "re");

	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	name[strcspn(name, "\n")] = '\0';
	return !strcmp(name, PORT_NAME);
}

int agent_open(void)
{
	glob_t names;
	int fd = -1;

	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &names) != 0)
		return -1;
	for (size_t i = 0; i < names.gl_pathc && fd < 0; i++) {
		char port[32], path[64];

		if (!is_agents(names.gl_pathv[i]) ||
		    sscanf(names.gl_pathv[i], "/sys/class/virtio-ports/%31[^/]", port) != 1)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", port);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	globfree(&names);
	return fd;
}

/** number_after() - The number behind a key. The host sends no nested objects that could hold the key again */
static long long number_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? strtoll(at + strlen(key) + strspn(at + strlen(key), ": "), NULL, 10) : 0;
}

/** set_clock() - To nanoseconds since 1970 */
static bool set_clock(long long ns)
{
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	return ns > 0 && clock_settime(CLOCK_REALTIME, &time) == 0;
}

/* What the one program of a guest that takes itself for Windows ends with; 0: it is what it is. */
static unsigned windows_code;

void agent_be_windows(unsigned code)
{
	windows_code = code;
}

/** program_answer() - To guest-exec and guest-exec-status: of a Windows, which runs PowerShell alone */
static void program_answer(const char *line, char *answer, size_t size)
{
	if (!windows_code || (strstr(line, "\"path\"") && !strstr(line, "\"powershell.exe\"")))
		snprintf(answer, size, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such program\"}}\n");
	else if (strstr(line, "\"guest-exec-status\""))
		snprintf(answer, size, "{\"return\": {\"exited\": true, \"exitcode\": %u}}\n", windows_code);
	else
		snprintf(answer, size, "{\"return\": {\"pid\": 4711}}\n");
}

/* An entry of what guest-info lists. */
#define CAN(name) "{\"enabled\": true, \"name\": \"" name "\", \"success-response\": true}, "

enum agent_wish agent_answer(const char *line, char *answer, size_t size)
{
	/* It only keeps count: a host that asks for it lets nothing run until it asks for a thaw. */
	static bool frozen;
	/* The byte 0xff of a delimited answer tells the host where what it did not read before ends. */
	bool delimited = strstr(line, "\"guest-sync-delimited\"");

	answer[0] = '\0';
	if (delimited || strstr(line, "\"guest-sync\"")) {
		snprintf(answer, size, "%s{\"return\": %lld}\n", delimited ? "\xff" : "",
			 number_after(line, "\"id\""));
	} else if (strstr(line, "\"guest-ping\"")) {
		snprintf(answer, size, "{\"return\": {}}\n");
	} else if (strstr(line, "\"guest-info\"")) {
		snprintf(answer, size, "{\"return\": {\"version\": \"casement\", \"supported_commands\": ["
			 CAN("guest-fsfreeze-freeze") CAN("guest-fsfreeze-thaw") CAN("guest-fsfreeze-status") CAN("guest-set-time")
			 CAN("guest-get-osinfo") CAN("guest-exec") CAN("guest-exec-status")
			 "{\"enabled\": true, \"name\": \"guest-shutdown\", \"success-response\": false}]}}\n");
	} else if (strstr(line, "\"guest-shutdown\"")) {
		return strstr(line, "\"reboot\"") ? AGENT_REBOOT : AGENT_POWER_OFF;
	} else if (strstr(line, "\"guest-fsfreeze-status\"")) {
		snprintf(answer, size, "{\"return\": \"%s\"}\n", frozen ? "frozen" : "thawed");
	} else if (strstr(line, "\"guest-fsfreeze-freeze\"") || strstr(line, "\"guest-fsfreeze-thaw\"")) {
		bool was = frozen;

		frozen = strstr(line, "\"guest-fsfreeze-freeze\"") != NULL;
		snprintf(answer, size, "{\"return\": %d}\n", frozen != was);
		return frozen == was ? AGENT_NOTHING : frozen ? AGENT_FROZEN : AGENT_THAWED;
	} else if (strstr(line, "\"guest-get-osinfo\"")) {
		snprintf(answer, size, "{\"return\": {\"id\": \"%s\"}}\n", windows_code ? "mswindows" : "casement");
	} else if (strstr(line, "\"guest-exec\"") || strstr(line, "\"guest-exec-status\"")) {
		program_answer(line, answer, size);
	} else if (strstr(line, "\"guest-set-time\"")) {
		bool set = set_clock(number_after(line, "\"time\""));

		snprintf(answer, size, set ? "{\"return\": {}}\n"
					   : "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such time\"}}\n");
		return set ? AGENT_CLOCK_SET : AGENT_NOTHING;
	} else if (strchr(line, '{')) {
		snprintf(answer, size, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"unknown command\"}}\n");
	}
	return AGENT_NOTHING;
}
