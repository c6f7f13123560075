/* What the entries become: every key in its place, services in their order, and what only shows in
 * the whole. */
#include "lib/config_entry.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

extern char **environ;

struct place {
	char path[32];
	char said[16384];
};

static int enter(void **state)
{
	static char *nothing[] = { NULL };
	const char *format = getenv("CMOCKA_MESSAGE_OUTPUT"); /* scripts/test counts its lines */
	struct place *place = calloc(1, sizeof(*place));
	int fd;

	assert_non_null(place);
	strcpy(place->path, "/tmp/casement-test.XXXXXX");
	fd = mkstemp(place->path);
	assert_true(fd >= 0);
	close(fd);
	environ = nothing;
	if (format)
		setenv("CMOCKA_MESSAGE_OUTPUT", format, 1);
	*state = place;
	return 0;
}

static int leave(void **state)
{
	struct place *place = *state;

	assert_int_equal(unlink(place->path), 0);
	free(place);
	return 0;
}

/* Messages without the file's name: "LINE: ...". */
static void hear(void *context, const char *message)
{
	struct place *place = context;
	size_t prefix = strlen(place->path);

	if (strncmp(message, place->path, prefix) == 0)
		message += prefix + 1;
	assert_true(strlen(place->said) + strlen(message) + 2 < sizeof(place->said));
	strcat(place->said, message);
	strcat(place->said, "\n");
}

static int load_text(struct place *place, const char *text, struct config **ret_config)
{
	FILE *file = fopen(place->path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	place->said[0] = '\0';
	return config_load(place->path, hear, place, ret_config);
}

static struct config *load(struct place *place, const char *text)
{
	struct config *config = NULL;
	int result = load_text(place, text, &config);

	assert_string_equal(place->said, "");
	assert_int_equal(result, 0);
	return config;
}

static void refuse(struct place *place, const char *text, const char *expected)
{
	struct config *config = NULL;

	assert_int_equal(load_text(place, text, &config), -EINVAL);
	assert_string_equal(place->said, expected);
	assert_null(config);
}

static void test_guest(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct config *config =
		load(*state,
		     "[guest]\nname = w\ndisk = /d\nbase = /b\nmemory = 8G\ncpus = 4\naccel = tcg\n"
		     "profile = windows-virtio\nfirmware = uefi-secure\ntpm = yes\nxml = /x\n"
		     "mac = 02:00:00:00:00:01\n");
	const struct guest_config *guest = &config->guest;

	assert_string_equal(guest->name, "w");
	assert_string_equal(guest->disk, "/d");
	assert_string_equal(guest->base, "/b");
	assert_true(guest->memory.bytes == UINT64_C(8) << 30);
	assert_int_equal(guest->cpus, 4);
	assert_int_equal(guest->accel, ACCEL_TCG);
	assert_int_equal(guest->profile, PROFILE_WINDOWS_VIRTIO);
	assert_int_equal(guest->firmware, FIRMWARE_UEFI_SECURE);
	assert_true(guest->tpm);
	assert_string_equal(guest->xml, "/x");
	assert_memory_equal(guest->mac, mac, sizeof(mac));
	config_free(config);
}

/* Firmware and TPM suit the Windows, where nobody says otherwise. */
static void test_windows(void **state)
{
	static const struct {
		const char *text;
		enum firmware firmware;
		bool tpm;
	} cases[] = {
		{ "", FIRMWARE_BIOS, false },
		{ "windows = 10\n", FIRMWARE_BIOS, false },
		{ "windows = 2019\n", FIRMWARE_BIOS, false },
		{ "windows = 11\n", FIRMWARE_UEFI_SECURE, true },
		{ "windows = 2022\n", FIRMWARE_UEFI_SECURE, true },
		{ "windows = 2025\n", FIRMWARE_UEFI_SECURE, true },
		{ "windows = 2025\nfirmware = bios\n", FIRMWARE_BIOS, true },
		{ "windows = 2025\ntpm = no\n", FIRMWARE_UEFI_SECURE, false },
		/* It is installed already, however that was done. */
		{ "windows = 11\nfirmware = bios\ntpm = no\n", FIRMWARE_BIOS, false },
		/* And so is what another definition boots. */
		{ "windows = 11\nfirmware = bios\ntpm = no\niso = /i\nxml = /x\n", FIRMWARE_BIOS, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct config *config;

		snprintf(text, sizeof(text), "[guest]\n%s", cases[i].text);
		config = load(*state, text);
		assert_int_equal(config->guest.firmware, cases[i].firmware);
		assert_int_equal(config->guest.tpm, cases[i].tpm);
		config_free(config);
	}
	refuse(*state, "[guest]\nwindows = 11\niso = /i\nsource = /s\nfirmware = uefi\n",
	       "3: [guest] iso: a disk is installed or imported: there is [guest] source, too\n"
	       "5: [guest] firmware: Windows 11 is not installed without uefi-secure, which is its default\n");
}

static void test_others(void **state)
{
	struct config *config =
		load(*state,
		     "[network]\nbridge = br7\nsubnet = 10.0.7.0/24\nguest-address = 10.0.7.9\n"
		     "ipv6 = no\nforwards = 22/tcp 80:8080/tcp\n"
		     "keep = 9100/tcp\nsource = preserve\non-remove = keep\n"
		     "[stop]\ntimeout = 0\nresend = 100ms\nagent = yes\n"
		     "[health]\nprobe = tcp:65535\nrdp-port = 1\nrdp-interval = 1s\nrdp-timeout = 100ms\nrdp-failures "
		     "= 1000\n"
		     "[log]\nlevel = debug\nformat = json\n"
		     "[device /dev/a]\ngroup = g\nmode = 0660\nrequired = kvm\n"
		     "[device /dev/b]\nrequired = yes\n[device /dev/c]\nrequired = no\n");

	assert_string_equal(config->network.bridge, "br7");
	assert_true(config->network.subnet.fixed);
	assert_int_equal(config->network.subnet.prefix, 24);
	assert_int_equal(ntohl(config->network.guest_address.s_addr), 0x0a000709);
	assert_false(config->network.ipv6);
	assert_int_equal(config->network.n_forwards, 2);
	assert_int_equal(config->network.forwards[1].guest_first, 8080);
	assert_int_equal(config->network.n_keep, 1);
	assert_int_equal(config->network.keep[0].listen_first, 9100);
	assert_int_equal(config->network.source, CLIENT_PRESERVE);
	assert_int_equal(config->network.on_remove, ON_REMOVE_KEEP);
	assert_int_equal(config->stop.timeout, 0);
	assert_int_equal(config->stop.resend, 100);
	assert_true(config->stop.agent);
	assert_int_equal(config->health.probe.kind, PROBE_BY_TCP);
	assert_int_equal(config->health.probe.port, 65535);
	assert_int_equal(config->health.rdp_port, 1);
	assert_int_equal(config->health.rdp_interval, 1000);
	assert_int_equal(config->health.rdp_timeout, 100);
	assert_int_equal(config->health.rdp_failures, 1000);
	assert_int_equal(config->log.level, 7);
	assert_int_equal(config->log.format, LOG_FORMAT_JSON);
	assert_int_equal(config->n_devices, 3);
	assert_string_equal(config->devices[0].path, "/dev/a");
	assert_string_equal(config->devices[0].group, "g");
	assert_int_equal(config->devices[0].mode, 0660);
	assert_int_equal(config->devices[0].required, REQUIRED_KVM);
	assert_null(config->devices[1].group);
	assert_int_equal(config->devices[1].required, REQUIRED_YES);
	assert_int_equal(config->devices[2].required, REQUIRED_NO);
	config_free(config);
}

static void test_service(void **state)
{
	struct config *config = load(
		*state,
		"[service s]\nexec = /bin/a b\ntype = notify\nrestart = always\nfinal-codes = 0 "
		"33\nbackoff = 1ms\n"
		"backoff-max = 2ms\nrestart-limit = 4\nhealthy-after = 5ms\nstart-timeout = "
		"6ms\nstop-timeout = 7ms\n"
		"stop-signal = RTMIN+3\nreload-signal = SIGHUP\nwatchdog = 8ms\nmain = "
		"yes\ncritical = yes\nuser = "
		"u\ngroup = g\ndirectory = /d\n"
		"environment = A=1 'B=2 3'\nnofile = 9\noom-score-adjust = -10\nclean = /a '/b c'\n"
		"capabilities = NET_ADMIN, NET_RAW\n");
	const struct service_config *service = &config->services[0];

	assert_int_equal(config->n_services, 1);
	assert_string_equal(service->name, "s");
	assert_int_equal(service->exec.n, 2);
	assert_int_equal(service->type, SERVICE_NOTIFY);
	assert_int_equal(service->restart, RESTART_ALWAYS);
	assert_int_equal(service->final_codes[0], 1);
	assert_int_equal(service->final_codes[1], 2);
	assert_int_equal(service->backoff, 1);
	assert_int_equal(service->backoff_max, 2);
	assert_int_equal(service->restart_limit, 4);
	assert_int_equal(service->healthy_after, 5);
	assert_int_equal(service->start_timeout, 6);
	assert_int_equal(service->stop_timeout, 7);
	assert_int_equal(service->stop_signal, SIGRTMIN + 3);
	assert_int_equal(service->reload_signal, SIGHUP);
	assert_int_equal(service->watchdog, 8);
	assert_true(service->main && service->critical && service->enabled);
	assert_string_equal(service->user, "u");
	assert_string_equal(service->group, "g");
	assert_string_equal(service->directory, "/d");
	assert_int_equal(service->environment.n, 2);
	assert_string_equal(service->environment.item[1], "B=2 3");
	assert_int_equal(service->nofile, 9);
	assert_int_equal(service->oom_score_adjust, -10);
	assert_int_equal(service->clean.n, 2);
	assert_string_equal(service->clean.item[1], "/b c");
	assert_int_equal(service->capabilities.n, 2);
	assert_string_equal(service->capabilities.item[0], "NET_ADMIN");
	config_free(config);
}

static void test_service_defaults(void **state)
{
	struct config *config = load(*state, "[service s]\nexec = /bin/a\n");
	const struct service_config *service = &config->services[0];

	assert_int_equal(service->type, SERVICE_SIMPLE);
	assert_int_equal(service->restart, RESTART_ON_FAILURE);
	assert_int_equal(service->final_codes[0], 0);
	assert_int_equal(service->backoff, 200);
	assert_int_equal(service->backoff_max, 30000);
	assert_int_equal(service->restart_limit, 10);
	assert_int_equal(service->healthy_after, 30000);
	assert_int_equal(service->start_timeout, 60000);
	assert_int_equal(service->stop_timeout, 10000);
	assert_int_equal(service->stop_signal, SIGTERM);
	assert_int_equal(service->reload_signal, 0);
	assert_int_equal(service->watchdog, 0);
	assert_false(service->main || service->critical);
	assert_true(service->enabled);
	assert_null(service->user);
	assert_null(service->environment.item);
	assert_int_equal(service->n_after, 0);
	config_free(config);
}

/* [guest] on-crash and on-poweroff: what is no longer final, of the main service alone. */
static void test_after_end(void **state)
{
	static const char text[] =
		"[service m]\nexec = /bin/a\nmain = yes\nfinal-codes = 0 10 11 12 78\n"
		"[service s]\nexec = /bin/a\nfinal-codes = 0 11\n";
	static const struct {
		const char *guest;
		unsigned final;
		enum restart_policy restart;
	} cases[] = {
		{ "", 1U << 0 | 1U << 10 | 1U << 11 | 1U << 12, RESTART_ON_FAILURE },
		{ "[guest]\non-crash = exit\non-poweroff = exit\n",
		  1U << 0 | 1U << 10 | 1U << 11 | 1U << 12, RESTART_ON_FAILURE },
		{ "[guest]\non-crash = restart\n", 1U << 0 | 1U << 10, RESTART_ON_FAILURE },
		{ "[guest]\non-poweroff = restart\n", 1U << 10 | 1U << 11 | 1U << 12,
		  RESTART_ALWAYS },
	};
	char whole[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config;

		snprintf(whole, sizeof(whole), "%s%s", cases[i].guest, text);
		config = load(*state, whole);
		assert_int_equal(config->services[0].final_codes[0], cases[i].final);
		assert_int_equal(config->services[0].final_codes[2], 1U << (78 - 64));
		assert_int_equal(config->services[0].restart, cases[i].restart);
		assert_int_equal(config->services[1].final_codes[0], 1U << 0 | 1U << 11);
		config_free(config);
	}
}

/* What an earlier file set and has no default, a later one takes back. */
static void test_unset(void **state)
{
	static const char text[] = "[service s]\nexec = /bin/a\nreload-signal = HUP\nuser = u\n"
				   "directory = /d\n";
	struct config *config;

	setenv("CASEMENT_SERVICE_S_RELOAD_SIGNAL", "", 1);
	setenv("CASEMENT_SERVICE_S_USER", "", 1);
	setenv("CASEMENT_SERVICE_S_DIRECTORY", "", 1);
	config = load(*state, text);
	assert_int_equal(config->services[0].reload_signal, 0);
	assert_null(config->services[0].user);
	assert_null(config->services[0].directory);
	config_free(config);
	setenv("CASEMENT_SERVICE_S_STOP_SIGNAL", "", 1);
	refuse(*state, text,
	       "CASEMENT_SERVICE_S_STOP_SIGNAL: \"\" is not a signal such as TERM, QUIT or "
	       "RTMIN+3\n");
}

static void test_bad_values(void **state)
{
	refuse(*state,
	       "[guest]\nname =\ndisk = d\nmac = 1\naccel = fast\ntpm = maybe\ncpus = 256\n"
	       "[network]\nsubnet = 10\nguest-address = here\nsource = nat\non-remove = "
	       "drop\n[stop]\nresend = "
	       "99ms\n[health]\nrdp-port = 0\nrdp-failures = 0\n"
	       "[log]\nlevel = loud\n[device /d]\nmode = rw\n[service s]\nexec = a\nfinal-codes = "
	       "256\nstop-signal = HALT\nreload-signal = 99\n"
	       "oom-score-adjust = -1001\nnofile = 1048577\ndirectory = tmp\nenvironment = 'A\n",
	       "2: [guest] name: \"\" is empty\n"
	       "3: [guest] disk: \"d\" is not an absolute path\n"
	       "4: [guest] mac: \"1\" is not an Ethernet address such as 52:54:00:12:34:56\n"
	       "5: [guest] accel: \"fast\" is none of: auto, kvm, tcg\n"
	       "6: [guest] tpm: \"maybe\" is neither yes nor no\n"
	       "7: [guest] cpus: \"256\" is neither a number from 1 to 255 nor max\n"
	       "9: [network] subnet: \"10\" is neither auto nor a subnet such as 192.168.121.0/24\n"
	       "10: [network] guest-address: \"here\" is not an IPv4 address\n"
	       "11: [network] source: \"nat\" is none of: masquerade, preserve\n"
	       "12: [network] on-remove: \"drop\" is none of: close, keep\n"
	       "14: [stop] resend: \"99ms\" is shorter than 100 ms\n"
	       "16: [health] rdp-port: \"0\" is not a number from 1 to 65535\n"
	       "17: [health] rdp-failures: \"0\" is not a number from 1 to 1000\n"
	       "19: [log] level: \"loud\" is none of: error, warning, info, debug\n"
	       "21: [device /d] mode: \"rw\" is not an octal mode such as 0660\n"
	       "24: [service s] final-codes: \"256\" is not a list of exit codes from 0 to 255\n"
	       "25: [service s] stop-signal: \"HALT\" is not a signal such as TERM, QUIT or "
	       "RTMIN+3\n"
	       "26: [service s] reload-signal: \"99\" is not a signal such as TERM, QUIT or "
	       "RTMIN+3\n"
	       "27: [service s] oom-score-adjust: \"-1001\" is not a number from -1000 to 1000\n"
	       "28: [service s] nofile: \"1048577\" is not a number from 0 to 1048576\n"
	       "29: [service s] directory: \"tmp\" is not an absolute path\n"
	       "30: [service s] environment: \"'A\" has an unclosed quote\n");
}

static void test_probe(void **state)
{
	static const struct {
		const char *text, *error; /* NULL: it is one */
	} cases[] = {
		{ "rdp", NULL },
		{ "agent", NULL },
		{ "none", NULL },
		{ "tcp:1", NULL },
		{ "tcp:65535", NULL },
		{ "tcp", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcp:", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcp:0", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcp:65536", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcp: 22", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcp:22/tcp", "has no port from 1 to 65535 behind tcp: write tcp:22, for instance" },
		{ "tcpdump", "is none of: rdp, tcp:PORT, agent, none" },
		{ "RDP", "is none of: rdp, tcp:PORT, agent, none" },
		{ "", "is none of: rdp, tcp:PORT, agent, none" },
	};
	char text[128], message[256], buffer[PROBE_CHOICE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "[health]\nprobe = %s\n", cases[i].text);
		if (cases[i].error) {
			snprintf(message, sizeof(message), "2: [health] probe: \"%s\" %s\n",
				 cases[i].text, cases[i].error);
			refuse(*state, text, message);
			continue;
		}
		struct config *config = load(*state, text);

		/* It is told to PID 1 as it is written here. */
		assert_string_equal(probe_choice_text(&config->health.probe, buffer), cases[i].text);
		config_free(config);
	}
}

/* Without a pause there would be hundreds of restarts a second, without stop-timeout no SIGKILL
 * ever. */
static void test_shortest(void **state)
{
	struct config *config;

	refuse(*state, "[service s]\nexec = a\nbackoff = 0\nbackoff-max = 0s\nstop-timeout = 0ms\n",
	       "3: [service s] backoff: \"0\" is shorter than 1 ms\n"
	       "4: [service s] backoff-max: \"0s\" is shorter than 1 ms\n"
	       "5: [service s] stop-timeout: \"0ms\" is shorter than 1 ms\n");
	config = load(*state, "[service s]\nexec = a\nbackoff = 1ms\nbackoff-max = 1ms\n"
			      "stop-timeout = 1ms\n");
	assert_int_equal(config->services[0].backoff, 1);
	assert_int_equal(config->services[0].backoff_max, 1);
	assert_int_equal(config->services[0].stop_timeout, 1);
	config_free(config);
}

/** order() - The services' names in the order that they are started in. */
static const char *order(const struct config *config, char buffer[static 256])
{
	buffer[0] = '\0';
	for (size_t i = 0; i < config->n_services; i++) {
		strcat(buffer, i ? " " : "");
		strcat(buffer, config->services[i].name);
	}
	return buffer;
}

static void test_sort(void **state)
{
	char buffer[256];
	struct config *config = load(
		*state,
		"[service d]\nexec = x\nafter = b c\n[service c]\nexec = x\nafter = a\n"
		"[service z]\nexec = x\n[service b]\nexec = x\nafter = a\n[service a]\nexec = x\n");

	assert_string_equal(order(config, buffer), "z a c b d");
	assert_int_equal(config->services[4].n_after, 2);
	assert_int_equal(config->services[4].after_index[0], 3);
	assert_int_equal(config->services[4].after_index[1], 2);
	assert_int_equal(config->services[1].n_after, 0);
	assert_int_equal(config->services[2].after_index[0], 1);
	config_free(config);
	/* Nothing to sort: as in the file. */
	config = load(*state,
		      "[service c]\nexec = x\n[service a]\nexec = x\n[service b]\nexec = x\n");
	assert_string_equal(order(config, buffer), "c a b");
	config_free(config);
}

/* A disabled service is as if it did not exist, but its name is known. */
static void test_disabled(void **state)
{
	char buffer[256];
	struct config *config =
		load(*state,
		     "[service a]\nenabled = no\nmain = yes\n[service b]\nexec = x\nafter = a "
		     "c\nmain = yes\n"
		     "[service c]\nexec = x\n[service d]\nexec = x\nenabled = no\nafter = a b\n");

	assert_string_equal(order(config, buffer), "c b");
	assert_int_equal(config->services[1].n_after, 1);
	assert_int_equal(config->services[1].after_index[0], 0);
	config_free(config);
}

static void test_cycle(void **state)
{
	refuse(*state,
	       "[service a]\nexec = x\n[service b]\nexec = x\nafter = a d\n[service c]\nexec = "
	       "x\nafter = b\n"
	       "[service d]\nexec = x\nafter = c\n[service e]\nexec = x\nafter = d\n",
	       "5: [service b] after: these services wait for each other: b c d e\n"
	       "8: [service c] after: these services wait for each other: b c d e\n"
	       "11: [service d] after: these services wait for each other: b c d e\n"
	       "14: [service e] after: these services wait for each other: b c d e\n");
	refuse(*state, "[service a]\nexec = x\nafter = a\n",
	       "3: [service a] after: these services wait for each other: a\n");
}

static void test_relations(void **state)
{
	refuse(*state,
	       "[service a]\nexec = x\nafter = b, nobody\n[service b]\ntype = simple\nmain = "
	       "yes\n[service c]\nexec = x\nmain = on\n",
	       "3: [service a] after: there is no service \"nobody\"\n"
	       "[service b]: the service has no exec\n"
	       "9: [service c] main: b is the main service already\n");
	/* An empty list takes back what was there, and an empty command line is none. */
	refuse(*state, "[service a]\nexec =\nafter =\n",
	       "2: [service a] exec: the service has no exec\n");
}

static void test_limits(void **state)
{
	char text[4096] = "", expected[256], *end = text;
	struct config *config;

	for (unsigned i = 0; i < CONFIG_MAX_SERVICES; i++)
		end += sprintf(end, "[service s%u]\nexec = x\n[device /d%u]\nmode = 1\n", i, i);
	config = load(*state, text);
	assert_int_equal(config->n_services, CONFIG_MAX_SERVICES);
	assert_int_equal(config->n_devices, CONFIG_MAX_DEVICES);
	config_free(config);
	sprintf(end, "[service more]\nexec = x\n[device /more]\nmode = 1\n");
	snprintf(expected, sizeof(expected),
		 "130: [service more] exec: there are more than 32 sections of this kind\n"
		 "132: [device /more] mode: there are more than 32 sections of this kind\n");
	refuse(*state, text, expected);
	refuse(*state, "[service a123456789b123456789c123456789d1234567890]\nexec = x\n",
	       "2: [service a123456789b123456789c123456789d1234567890] exec: a service's name is "
	       "up to 40 letters, digits and "
	       "- _ . @\n");
}

/* What `casement --keys` prints: five columns, and every default is a value that the key itself
 * takes. */
static void test_keys(void **state)
{
	char *text = NULL, *line, *rest;
	size_t size, n = 0;
	FILE *out = open_memstream(&text, &size);
	char config_text[512];

	assert_non_null(out);
	config_print_keys(out);
	fclose(out);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *column[5], *at = line;
		const char *named;

		for (size_t i = 0; i < 5; i++) {
			column[i] = strsep(&at, "\t");
			assert_non_null(column[i]);
			assert_true(*column[i]);
		}
		assert_null(at);
		n++;
		if (streq(column[3], "-"))
			continue;
		named = streq(column[0], "service NAME")  ? "service x"
			: streq(column[0], "device PATH") ? "device /x"
							  : column[0];
		snprintf(config_text, sizeof(config_text), "%s[%s]\n%s = %s\n",
			 streq(named, "service x") ? "[service x]\nexec = y\n" : "", named,
			 column[1], column[3]);
		config_free(load(*state, config_text));
	}
	assert_true(n > 50);
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_guest),      TEST(test_windows), TEST(test_others),
		TEST(test_service),    TEST(test_service_defaults),
		TEST(test_after_end),  TEST(test_bad_values),
		TEST(test_probe),      TEST(test_shortest),
		TEST(test_sort),       TEST(test_disabled),
		TEST(test_cycle),      TEST(test_relations),
		TEST(test_limits),     TEST(test_keys),
		TEST(test_unset),
	};

	return cmocka_run_group_tests_name("config_services", tests, NULL, NULL);
}
