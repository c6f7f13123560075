/*
 * The keys: one table says what exists, where it is stored, what it defaults to and what it means.
 */
#include "lib/config_key.h"
#include "lib/util.h"

#include <assert.h>
#include <limits.h>

static const char *const accel_choices[] = { "auto", "kvm", "tcg", NULL };
static const char *const profile_choices[] = { "windows", "windows-virtio", "linux", NULL };
static const char *const firmware_choices[] = { "bios", "uefi", "uefi-secure", NULL };
static const char *const windows_choices[] = { "other", "10", "11", "2019", "2022", "2025", NULL };
static const char *const type_choices[] = { "simple", "notify", "oneshot", NULL };
static const char *const restart_choices[] = { "no", "on-failure", "always", NULL };
static const char *const required_choices[] = { "no", "yes", "kvm", NULL };
static const char *const as_choices[] = { "node", "disk", "cdrom", "usb", "pci", NULL };
static const char *const source_choices[] = { "masquerade", "preserve", NULL };
static const char *const on_remove_choices[] = { "close", "keep", NULL };
static const char *const on_deadline_choices[] = { "destroy", "save", NULL };
static const char *const after_end_choices[] = { "exit", "restart", NULL };
static const char *const format_choices[] = { "text", "json", NULL };
static const char *const console_choices[] = { "none", "serial", "qemu", "all", NULL };
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };

static_assert(sizeof(enum accel) == sizeof(unsigned), "a choice is stored as an unsigned int");

#define KEY(kind_, structure, name_, type_, member, fallback_, ...)                               \
	{                                                                                         \
		.kind = kind_, .name = name_, .type = type_,                                      \
		.offset = offsetof(structure, member), .fallback = fallback_, .help = __VA_ARGS__ \
	}
#define RANGE(min_, max_) .min = min_, .max = max_
/* See enum config_key_reload. */
#define NOW .reload = KEY_RELOAD_NOW
#define BY_SERVICE .reload = KEY_RELOAD_SERVICE
#define GUEST(...) KEY(SECTION_GUEST, struct guest_config, __VA_ARGS__)
#define NETWORK(...) KEY(SECTION_NETWORK, struct network_config, __VA_ARGS__)
#define STOP(...) KEY(SECTION_STOP, struct stop_config, __VA_ARGS__)
#define HEALTH(...) KEY(SECTION_HEALTH, struct health_config, __VA_ARGS__)
#define LOGGING(...) KEY(SECTION_LOG, struct log_config, __VA_ARGS__)
#define DEVICE(...) KEY(SECTION_DEVICE, struct device_config, __VA_ARGS__)
#define SERVICE(...) KEY(SECTION_SERVICE, struct service_config, __VA_ARGS__)

static const struct config_key keys[] = {
	GUEST("name", KEY_TEXT, name, "windows", "name of the libvirt domain"),
	GUEST("disk", KEY_PATH, disk, "/storage/windows.qcow2",
	      "the guest's disk: used if it exists, else made from base"),
	GUEST("base", KEY_PATH, base, "/images/windows.qcow2",
	      "read-only disk that a missing disk becomes an overlay of"),
	GUEST("source", KEY_PATH, source, NULL,
	      "a disk or a box that a missing disk is imported from, if there is no base"),
	GUEST("in-place", KEY_BOOL, in_place, "no",
	      "source is not imported but is the guest's disk itself"),
	GUEST("catalog", KEY_TEXT, catalog, NULL, "URL of the catalogue for casement-image pull"),
	GUEST("windows", KEY_CHOICE, windows, "other",
	      "which Windows it is, or is to be installed; 11, 2022, 2025: firmware and tpm suit "
	      "it",
	      .choices = windows_choices),
	GUEST("iso", KEY_PATH, iso, NULL,
	      "a medium to install on a blank disk from, if there is neither disk nor base"),
	GUEST("virtio-iso", KEY_PATH, virtio_iso, NULL,
	      "the virtio drivers' CD, for the installation"),
	GUEST("disk-size", KEY_SIZE, disk_size, "64G", "size of the blank disk"),
	GUEST("answer-file", KEY_PATH, answer_file, NULL,
	      "answers to the installation's questions, taken as they are"),
	GUEST("edition", KEY_TEXT, edition, NULL,
	      "name or number of the image on the medium; by default Pro, or Standard with a "
	      "desktop"),
	GUEST("product-key", KEY_TEXT, product_key, NULL,
	      "key for the installation; by default the public one that selects Pro"),
	GUEST("user", KEY_TEXT, user, "casement", "administrator whom Windows is installed for"),
	GUEST("password-file", KEY_PATH, password_file, "/run/secrets/windows-password",
	      "file with that user's password"),
	GUEST("language", KEY_TEXT, language, "en-US", "language of the medium"),
	GUEST("locale", KEY_TEXT, locale, NULL,
	      "formats and keyboard; by default those of the language"),
	GUEST("time-zone", KEY_TEXT, time_zone, "UTC", "time zone, as Windows calls it"),
	GUEST("memory", KEY_MEMORY, memory, "4G",
	      "memory of the guest: a size, a part of what the container may use, or all of it"),
	GUEST("cpus", KEY_CPUS, cpus, "2",
	      "virtual processors; max: as many as the container may use"),
	GUEST("accel", KEY_CHOICE, accel, "auto",
	      "auto is kvm, or an error: nobody gets slow emulation unasked",
	      .choices = accel_choices),
	GUEST("cpu", KEY_TEXT, cpu, CPU_HOST,
	      "the processor that the guest sees: host, baseline, or a model of libvirt's"),
	GUEST("profile", KEY_CHOICE, profile, "windows",
	      "virtual hardware: windows needs no driver that Windows lacks",
	      .choices = profile_choices),
	GUEST("firmware", KEY_CHOICE, firmware, "bios", "how the disk was installed",
	      .choices = firmware_choices),
	GUEST("tpm", KEY_BOOL, tpm, "no", "a TPM 2.0, as Windows 11 wants"),
	GUEST("xml", KEY_PATH, xml, NULL, "a libvirt domain XML that is taken as it is"),
	GUEST("xml-patch", KEY_PATH, xml_patch, NULL,
	      "changes to the domain XML that casement makes: a list, or an XSLT stylesheet"),
	GUEST("hugepages", KEY_HUGEPAGES, hugepages, "no",
	      "the guest's memory in huge pages, of the usual size or a given one"),
	GUEST("pin", KEY_PROCESSORS, pin, NULL,
	      "processors of the host that the guest runs on, such as 0-3,8; default any"),
	GUEST("mac", KEY_MAC, mac, "52:54:00:ca:5e:01", "Ethernet address of the guest"),
	GUEST("start-timeout", KEY_DURATION, start_timeout, "60s",
	      "time for QEMU to come up before it is killed", RANGE(1000, INT_MAX)),
	GUEST("start-retries", KEY_UNSIGNED, start_retries, "0",
	      "further attempts after a start that failed", RANGE(0, 1000)),
	GUEST("on-crash", KEY_CHOICE, on_crash, "exit",
	      "restart: boot the guest again when it crashed", .choices = after_end_choices, NOW),
	GUEST("on-poweroff", KEY_CHOICE, on_poweroff, "exit",
	      "restart: boot the guest again when it shut down by itself",
	      .choices = after_end_choices, NOW),

	NETWORK("bridge", KEY_TEXT, bridge, "virbr1", "bridge between the container and the guest"),
	NETWORK("subnet", KEY_SUBNET, subnet, "auto",
		"auto is 192.168.121.0/24, or the next range that is free"),
	NETWORK("guest-address", KEY_ADDRESS, guest_address, NULL,
		"the guest's address; by default host 68 of the subnet"),
	NETWORK("ipv6", KEY_BOOL, ipv6, "yes", "give the guest IPv6 where the container has it"),
	NETWORK("forwards", KEY_FORWARDS, forwards, "3389", "ports that lead to the guest",
		BY_SERVICE),
	NETWORK("keep", KEY_PORTS, keep, NULL,
		"ports that stay with the container, whatever all forwards", BY_SERVICE),
	NETWORK("source", KEY_CHOICE, source, "masquerade",
		"what the guest sees as a client's address: the bridge's, or the client's own",
		.choices = source_choices, BY_SERVICE),
	NETWORK("on-remove", KEY_CHOICE, on_remove, "close",
		"what happens to open connections of a forward that is taken away",
		.choices = on_remove_choices, BY_SERVICE),

	STOP("timeout", KEY_DURATION, timeout, "110s",
	     "time to shut down before the guest is destroyed", NOW),
	STOP("resend", KEY_DURATION, resend, "5s", "time between two presses of the power button",
	     RANGE(100, INT_MAX)),
	STOP("agent", KEY_BOOL, agent, "no",
	     "ask a connected guest agent, too, when the button is pressed"),
	STOP("on-deadline", KEY_CHOICE, on_deadline, "destroy",
	     "what becomes of a guest that did not shut down in time",
	     .choices = on_deadline_choices),
	STOP("save-timeout", KEY_DURATION, save_timeout, "60s",
	     "time to save the guest in, on top of timeout", RANGE(1, INT_MAX)),

	HEALTH("probe", KEY_PROBE, probe, "rdp",
	       "what shows that the guest is ready: RDP, a TCP port, its agent, or that it runs"),
	HEALTH("rdp-port", KEY_UNSIGNED, rdp_port, "3389", "the guest's RDP port", RANGE(1, 65535)),
	HEALTH("rdp-interval", KEY_DURATION, rdp_interval, "30s",
	       "time between two probes of a guest that answers", RANGE(100, INT_MAX)),
	HEALTH("rdp-timeout", KEY_DURATION, rdp_timeout, "5s", "time for one probe",
	       RANGE(100, INT_MAX)),
	HEALTH("rdp-failures", KEY_UNSIGNED, rdp_failures, "3",
	       "failed probes in a row that degrade the guest", RANGE(1, 1000)),

	LOGGING("level", KEY_LEVEL, level, "info", "the least important lines that are written",
		.choices = level_choices, NOW),
	LOGGING("format", KEY_CHOICE, format, "text", "text or one JSON object a line",
		.choices = format_choices, NOW),
	LOGGING("console", KEY_CHOICE, console, "qemu",
		"what of the guest is in the log: its serial port, QEMU's messages, both",
		.choices = console_choices),

	DEVICE("as", KEY_CHOICE, as, "node",
	       "node: a device of the container; else a part of the guest", .choices = as_choices),
	DEVICE("read-only", KEY_BOOL, readonly, "no", "a disk that the guest cannot change"),
	DEVICE("group", KEY_TEXT, group, NULL, "group that the node is given to"),
	DEVICE("mode", KEY_MODE, mode, NULL, "permission bits that the node gets"),
	DEVICE("user", KEY_TEXT, user, NULL,
	       "user that gets the node's group where the node is the host's own"),
	DEVICE("required", KEY_CHOICE, required, "no", "kvm: unless [guest] accel = tcg",
	       .choices = required_choices),

	SERVICE("exec", KEY_COMMAND, exec, NULL, "the command line; there is no shell"),
	SERVICE("type", KEY_CHOICE, type, "simple",
		"what makes it ready: its exec, READY=1, or its end with 0",
		.choices = type_choices),
	SERVICE("after", KEY_WORDS, after, NULL,
		"services that must be ready before, and that stop later"),
	SERVICE("restart", KEY_CHOICE, restart, "on-failure",
		"when an end is followed by a new start", .choices = restart_choices, NOW),
	SERVICE("final-codes", KEY_CODES, final_codes, NULL,
		"exit codes that are never followed by a new start", NOW),
	SERVICE("backoff", KEY_DURATION, backoff, "200ms",
		"time before the first restart, doubled by every further one", RANGE(1, INT_MAX),
		NOW),
	SERVICE("backoff-max", KEY_DURATION, backoff_max, "30s",
		"the longest time before a restart", RANGE(1, INT_MAX), NOW),
	SERVICE("restart-limit", KEY_UNSIGNED, restart_limit, "10",
		"failures in a row that are the last; 0: no limit", RANGE(0, 1000000), NOW),
	SERVICE("healthy-after", KEY_DURATION, healthy_after, "30s",
		"life after which earlier failures are forgotten", NOW),
	SERVICE("start-timeout", KEY_DURATION, start_timeout, "60s",
		"time to become ready; 0: no limit", NOW),
	SERVICE("stop-timeout", KEY_DURATION, stop_timeout, "10s",
		"time between the stop signal and SIGKILL; main: on top of [stop] timeout",
		RANGE(1, INT_MAX), NOW),
	SERVICE("stop-signal", KEY_SIGNAL, stop_signal, "TERM", "signal that asks it to stop", NOW),
	SERVICE("reload-signal", KEY_SIGNAL, reload_signal, NULL,
		"signal that makes it read its configuration again; sent when casement gets "
		"SIGHUP",
		NOW),
	SERVICE("watchdog", KEY_DURATION, watchdog, "0",
		"longest time between two WATCHDOG=1; 0: no watchdog"),
	SERVICE("main", KEY_BOOL, main, "no", "its end is the container's end"),
	SERVICE("critical", KEY_BOOL, critical, "no",
		"the container ends when it has failed for good", NOW),
	SERVICE("enabled", KEY_BOOL, enabled, "yes", "no: as if the section did not exist"),
	SERVICE("user", KEY_TEXT, user, NULL, "user that it runs as; default root"),
	SERVICE("group", KEY_TEXT, group, NULL, "group that it runs as; default the user's"),
	SERVICE("directory", KEY_PATH, directory, NULL, "working directory; default /"),
	SERVICE("environment", KEY_COMMAND, environment, NULL,
		"NAME=VALUE words that are added to the environment"),
	SERVICE("nofile", KEY_UNSIGNED, nofile, "0", "limit of open files; 0: as inherited",
		RANGE(0, 1U << 20)),
	SERVICE("limits", KEY_LIMITS, limits, NULL,
		"other limits, such as core=0 memlock=64M; default as inherited"),
	SERVICE("oom-score-adjust", KEY_OOM, oom_score_adjust, "0",
		"-1000 to 1000: who is killed first when memory is short"),
	SERVICE("clean", KEY_COMMAND, clean, NULL,
		"paths that are removed before anything starts: restart keeps /run"),
	SERVICE("capabilities", KEY_WORDS, capabilities, NULL,
		"capabilities that the container must have for it"),
};

static const char *const section_names[] = { "guest", "network", "stop",   "health",
					     "log",   "device",	 "service" };

bool config_section(const char *section, enum section_kind *ret_kind, const char **ret_argument)
{
	for (size_t i = 0; i < ARRAY_SIZE(section_names); i++) {
		size_t length = strlen(section_names[i]);
		bool named = i == SECTION_DEVICE || i == SECTION_SERVICE;

		if (strncmp(section, section_names[i], length) != 0 ||
		    section[length] != (named ? ' ' : '\0'))
			continue;
		*ret_argument = section + length + strspn(section + length, " ");
		*ret_kind = (enum section_kind)i;
		return !named || **ret_argument;
	}
	return false;
}

const struct config_key *config_key_find(enum section_kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].kind == kind && streq(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

const struct config_key *config_key_next(enum section_kind kind, const struct config_key *last)
{
	for (const struct config_key *key = last ? last + 1 : keys; key < keys + ARRAY_SIZE(keys);
	     key++) {
		if (key->kind == kind)
			return key;
	}
	return NULL;
}

const char *config_key_name(const struct config_key *key)
{
	return key->name;
}

enum config_key_reload config_key_reload(const struct config_key *key)
{
	return key->reload;
}

static const char *type_text(const struct config_key *key, char *buffer, size_t size)
{
	static const char *const names[] = {
		[KEY_TEXT] = "text",
		[KEY_PATH] = "path",
		[KEY_BOOL] = "yes|no",
		[KEY_DURATION] = "duration",
		[KEY_SIZE] = "size",
		[KEY_MEMORY] = "size|percentage|max",
		[KEY_CPUS] = "1-255|max",
		[KEY_HUGEPAGES] = "no|yes|size",
		[KEY_PROCESSORS] = "processors",
		[KEY_SIGNAL] = "signal",
		[KEY_MODE] = "octal mode",
		[KEY_CODES] = "exit codes",
		[KEY_OOM] = "number",
		[KEY_LIMITS] = "limits",
		[KEY_FORWARDS] = "forwards",
		[KEY_PORTS] = "ports",
		[KEY_ADDRESS] = "IPv4 address",
		[KEY_SUBNET] = "auto|subnet",
		[KEY_MAC] = "Ethernet address",
		[KEY_PROBE] = "rdp|tcp:PORT|agent|none",
		[KEY_WORDS] = "words",
		[KEY_COMMAND] = "command line",
	};
	size_t length = 0;

	if (key->type == KEY_UNSIGNED) {
		snprintf(buffer, size, "%u-%u", key->min, key->max);
		return buffer;
	}
	if (!key->choices)
		return names[key->type];
	for (size_t i = 0; key->choices[i] && length < size; i++)
		length += (size_t)snprintf(buffer + length, size - length, "%s%s", i ? "|" : "",
					   key->choices[i]);
	return buffer;
}

void config_print_keys(FILE *out)
{
	char type[128];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		fprintf(out, "%s%s\t%s\t%s\t%s\t%s\n", section_names[keys[i].kind],
			keys[i].kind == SECTION_DEVICE	  ? " PATH"
			: keys[i].kind == SECTION_SERVICE ? " NAME"
							  : "",
			keys[i].name, type_text(&keys[i], type, sizeof(type)),
			keys[i].fallback ? keys[i].fallback : "-", keys[i].help);
}
