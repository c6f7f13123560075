/*
 * Reading the configuration: which source wins, what a file may look like, and that every mistake
 * is reported with its place, all of them in one run. What the entries mean is
 * test_config_services.c's and test_value.c's.
 */
#include "config_fixture.h"
#include "lib/config_entry.h"
#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

static void test_empty(void **state)
{
	struct config *config = load(*state, "# nothing\n\n ; nor here\n[guest]\n");

	assert_int_equal(config->n_services, 0);
	assert_int_equal(config->n_devices, 0);
	assert_string_equal(config->guest.name, "windows");
	assert_string_equal(config->guest.disk, "/storage/windows.qcow2");
	assert_int_equal(config->guest.memory.kind, MEMORY_SIZE);
	assert_true(config->guest.memory.bytes == UINT64_C(4) << 30);
	assert_int_equal(config->guest.cpus, 2);
	assert_int_equal(config->guest.accel, ACCEL_AUTO);
	assert_null(config->guest.xml);
	assert_false(config->network.subnet.fixed);
	assert_int_equal(config->network.n_forwards, 2);
	assert_int_equal(config->network.n_keep, 0);
	assert_null(config->network.keep);
	assert_int_equal(config->network.source, CLIENT_MASQUERADE);
	assert_int_equal(config->network.on_remove, ON_REMOVE_CLOSE);
	assert_int_equal(config->stop.timeout, 110000);
	assert_int_equal(config->stop.on_deadline, ON_DEADLINE_DESTROY);
	assert_int_equal(config->stop.save_timeout, 60000);
	assert_int_equal(config->stop.resend, 5000);
	assert_int_equal(config->log.level, 6);
	assert_int_equal(config->log.format, LOG_FORMAT_TEXT);
	config_free(config);
	config_free(NULL);
}

static void test_missing_file(void **state)
{
	struct place *place = *state;
	struct config *config = NULL;

	assert_int_equal(config_load("absent", hear, place, &config), -EINVAL);
	assert_string_equal(place->said, "absent: cannot be read: No such file or directory\n");
	assert_null(config);
}

static const char *value_of(const struct config *config, const char *section, const char *key)
{
	const struct config_entry *entry = config_find_entry(config, section, key);

	return entry ? entry->value : "(none)";
}

/** make_socket() - A socket's name in the file system. */
static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

/* PID 1 reads while it runs, and must not wait for the other end of a FIFO. */
static void test_not_regular(void **state)
{
	static const char *const paths[] = { "fifo", "socket", "directory", "link", "/dev/null" };
	struct place *place = *state;
	struct config *config = NULL;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	make_socket("socket");
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_int_equal(symlink("fifo", "link"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "%s: is not a regular file\n", paths[i]);
		place->said[0] = '\0';
		assert_int_equal(config_load(paths[i], hear, place, &config), -EINVAL);
		assert_string_equal(place->said, expected);
	}
	assert_null(config);
	/* As Kubernetes mounts it. */
	write_file("data", "[guest]\nname = linked\n");
	assert_int_equal(symlink("data", "c"), 0);
	assert_int_equal(config_load("c", hear, place, &config), 0);
	assert_string_equal(config->guest.name, "linked");
	config_free(config);
}

/* What a file may have at most, by its size, and by what comes out of it whatever size it has. */
static void test_size(void **state)
{
	static char text[CONFIG_MAX_FILE + 1];
	struct place *place = *state;
	struct config *config = NULL;

	memset(text, '#', sizeof(text));
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	memcpy(text, "[guest]\nname = a\n", 17);
	write_bytes("c", text, sizeof(text) - 1);
	assert_int_equal(config_load("c", hear, place, &config), 0);
	assert_string_equal(place->said, "");
	config_free(config);
	/* Only that is said: the text itself is not read. A variable of one of its sections is
	 * fine. */
	memcpy(text, "[guest]\nname : x\n[x]\ny = z\n", 28);
	write_bytes("c", text, sizeof(text));
	setenv("CASEMENT_SERVICE_A_EXEC", "/bin/true", 1);
	refuse_loaded(place,
		      "c: is larger than 2097152 bytes: make it shorter, forwards by means of "
		      "ranges\n");
	unsetenv("CASEMENT_SERVICE_A_EXEC");
	assert_int_equal(truncate("c", (off_t)3 << 30), 0);
	refuse_loaded(place,
		      "c: is larger than 2097152 bytes: make it shorter, forwards by means of "
		      "ranges\n");
	/* One that says that it is empty, as one that grows while it is read. */
	assert_int_equal(unlink("c"), 0);
	assert_int_equal(symlink("/proc/kallsyms", "c"), 0);
	if (access("c", R_OK) == 0)
		refuse_loaded(
			place,
			"c: is larger than 2097152 bytes: make it shorter, forwards by means of "
			"ranges\n");
}

static void test_size_of_all(void **state)
{
	static char text[CONFIG_MAX_BYTES / 3];
	struct place *place = *state;
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = hear, .context = place };

	assert_non_null(config);
	memset(text, '\n', sizeof(text));
	write_bytes("c", text, sizeof(text));
	for (unsigned i = 0; i < 3; i++)
		config_read_file(&loader, "c", true);
	assert_string_equal(place->said, "");
	write_file("d", "\n\n");
	for (unsigned i = 0; i < 2; i++)
		config_read_file(&loader, "d", true);
	assert_string_equal(place->said,
			    "d: is more than the rest of the 4194304 bytes that all files "
			    "may have: make them shorter\n");
	config_free(config);
}

/* Each pair is compared with every other one: those that are set a second time count as well, the
 * lines of a value do not. */
static void test_pairs(void **state)
{
	static char text[CONFIG_MAX_PAIRS * 32];
	struct place *place = *state;
	size_t length = 0;

	for (unsigned i = 0; i < 32; i++)
		length += (size_t)sprintf(text + length, "[service s%u]\nexec = /bin/true\n", i);
	length += (size_t)sprintf(text + length, "environment = A=1\n");
	for (unsigned i = 0; i < CONFIG_MAX_PAIRS; i++)
		length += (size_t)sprintf(text + length, " B%u=1\n", i);
	config_free(load(place, text));
	length = 0;
	for (unsigned i = 0; i <= CONFIG_MAX_PAIRS; i++)
		length += (size_t)sprintf(text + length, "[service s%u]\nx = 1\n", i);
	refuse(place, text, "c:8194: the configuration has more than 4096 keys: remove some\n");
	length = (size_t)sprintf(text, "[guest]\n");
	for (unsigned i = 0; i <= CONFIG_MAX_PAIRS; i++)
		length += (size_t)sprintf(text + length, "cpus = 1\n");
	write_file("c", text);
	place->said[0] = '\0';
	assert_int_equal(config_load("c", hear, place, &(struct config *){ NULL }), -EINVAL);
	assert_non_null(strstr(place->said, "c:101: [guest] cpus is set a second time (line 2"));
	assert_null(strstr(place->said, "c:103: "));
	assert_non_null(
		strstr(place->said, "\nthe configuration: 3996 more mistakes are not listed\n"));
}

static void test_dropins_limit(void **state)
{
	struct place *place = *state;
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = hear, .context = place };
	char path[32];

	assert_non_null(config);
	for (unsigned i = 0; i <= CONFIG_MAX_DROPINS; i++) {
		if (i == CONFIG_MAX_DROPINS)
			config_read_dropins(&loader, "conf.d");
		snprintf(path, sizeof(path), "conf.d/%u.conf", i);
		write_file(path, "[guest]\nname = a\n");
	}
	assert_string_equal(place->said, "");
	config_read_dropins(&loader, "conf.d");
	assert_string_equal(place->said, "conf.d: has more than 256 drop-ins: join some\n");
	config_free(config);
}

/* Nor may a drop-in, or a file that may be missing, be anything else. */
static void test_not_regular_optional(void **state)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = hear, .context = *state };

	assert_non_null(config);
	assert_int_equal(mkfifo("main", 0600), 0);
	assert_int_equal(mkdir("conf.d/1.conf", 0700), 0);
	assert_int_equal(mkfifo("conf.d/2.conf", 0600), 0);
	write_file("conf.d/3.conf", "[guest]\nname = third\n");
	config_read_file(&loader, "main", false);
	config_read_dropins(&loader, "conf.d");
	assert_string_equal(((struct place *)*state)->said,
			    "main: is not a regular file\n"
			    "conf.d/1.conf: is not a regular file\n"
			    "conf.d/2.conf: is not a regular file\n");
	assert_int_equal(loader.n_errors, 3);
	assert_string_equal(value_of(config, "guest", "name"), "third");
	config_free(config);
}

/* Two files, drop-ins by name, the environment: the later one wins, key by key. */
static void test_order(void **state)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = hear, .context = *state };
	char buffer[128];

	assert_non_null(config);
	write_file("shipped", "[guest]\nname = a1\ndisk = a2\nbase = a3\nmemory = a4\ncpus = "
			      "a5\n[service s]\nexec = a6\n");
	write_file("main", "[guest]\ndisk = b2\nbase = b3\nmemory = b4\ncpus = b5\n");
	write_file("conf.d/10.conf", "[guest]\nmemory = c4\ncpus = c5\n[guest]\nbase = c3\n");
	write_file("conf.d/9.conf", "[guest]\nbase = d3\nmemory = d4\ncpus = d5\n");
	write_file("conf.d/95.conf~", "[guest]\nname = wrong\n");
	write_file("conf.d/.hidden.conf", "[guest]\nname = wrong\n");
	write_file("conf.d/README", "not a configuration\n");
	write_file("conf.d/.conf", "not a configuration\n");
	setenv("CASEMENT_GUEST_CPUS", "e5", 1);
	setenv("CASEMENT_SERVICE_S_EXEC", "e6", 1);
	setenv("CASEMENTGUEST_NAME", "wrong", 1);
	setenv("UNRELATED", "wrong", 1);

	config_read_file(&loader, "shipped", true);
	config_read_file(&loader, "main", false);
	config_read_file(&loader, "absent", false);
	config_read_dropins(&loader, "conf.d");
	config_read_dropins(&loader, "absent.d");
	config_read_environment(&loader);
	assert_string_equal(((struct place *)*state)->said, "");
	assert_int_equal(loader.n_errors, 0);
	assert_string_equal(value_of(config, "guest", "name"), "a1");
	assert_string_equal(value_of(config, "guest", "disk"), "b2");
	assert_string_equal(value_of(config, "guest", "base"), "d3");
	assert_string_equal(value_of(config, "guest", "memory"), "d4");
	assert_string_equal(value_of(config, "guest", "cpus"), "e5");
	assert_string_equal(value_of(config, "service s", "exec"), "e6");
	assert_string_equal(value_of(config, "guest", "xml"), "(none)");
	assert_string_equal(config_origin(config, "guest", "name", buffer, sizeof(buffer)),
			    "shipped:2");
	assert_string_equal(config_origin(config, "guest", "memory", buffer, sizeof(buffer)),
			    "conf.d/9.conf:3");
	assert_string_equal(config_origin(config, "guest", "cpus", buffer, sizeof(buffer)),
			    "CASEMENT_GUEST_CPUS");
	assert_string_equal(config_origin(config, "guest", "xml", buffer, sizeof(buffer)),
			    "the built-in default");
	config_free(config);
}

/* [section] some-key is CASEMENT_SECTION_SOME_KEY, with sections that have a path or a name as
 * well. */
static void test_environment(void **state)
{
	static const char text[] = "[device /dev/kvm]\nmode = 0600\n"
				   "[service my-tool.2@x]\nexec = a\n"
				   "[service plain]\nexec = b\n";
	struct config *config;

	setenv("CASEMENT_GUEST_NAME", "from the environment", 1);
	setenv("CASEMENT_NETWORK_GUEST_ADDRESS", "10.1.2.3", 1);
	setenv("CASEMENT_STOP_TIMEOUT", "7s", 1);
	setenv("CASEMENT_HEALTH_RDP_PORT", "3390", 1);
	setenv("CASEMENT_LOG_FORMAT", "json", 1);
	setenv("CASEMENT_DEVICE__DEV_KVM_MODE", "0666", 1);
	setenv("CASEMENT_DEVICE__DEV_KVM_GROUP", "kvm", 1);
	setenv("CASEMENT_SERVICE_MY_TOOL_2_X_EXEC", "/bin/other --x 'y z'", 1);
	setenv("CASEMENT_SERVICE_PLAIN_RESTART_LIMIT", "3", 1);
	config = load(*state, text);
	assert_string_equal(config->guest.name, "from the environment");
	assert_int_equal(config->stop.timeout, 7000);
	assert_int_equal(config->health.rdp_port, 3390);
	assert_int_equal(config->log.format, LOG_FORMAT_JSON);
	assert_int_equal(config->n_devices, 1);
	assert_string_equal(config->devices[0].path, "/dev/kvm");
	assert_int_equal(config->devices[0].mode, 0666);
	assert_string_equal(config->devices[0].group, "kvm");
	assert_int_equal(config->n_services, 2);
	assert_string_equal(config->services[0].name, "my-tool.2@x");
	assert_int_equal(config->services[0].exec.n, 3);
	assert_string_equal(config->services[0].exec.item[2], "y z");
	assert_int_equal(config->services[1].restart_limit, 3);
	config_free(config);
}

static void test_environment_mistakes(void **state)
{
	setenv("CASEMENT_GUEST_NAEM", "x", 1);
	setenv("CASEMENT_GUEST", "x", 1);
	setenv("CASEMENT_", "x", 1);
	setenv("CASEMENT_SERVICE_ABSENT_EXEC", "x", 1);
	setenv("CASEMENT_GUEST_CPUS", "many", 1);
	refuse(*state, "[guest]\nname = a\n",
	       "CASEMENT_GUEST_NAEM: no section and key have this name; `casement --keys` lists "
	       "them\n"
	       "CASEMENT_GUEST: no section and key have this name; `casement --keys` lists them\n"
	       "CASEMENT_: no section and key have this name; `casement --keys` lists them\n"
	       "CASEMENT_SERVICE_ABSENT_EXEC: no section and key have this name; `casement --keys` "
	       "lists them\n"
	       "CASEMENT_GUEST_CPUS: \"many\" is neither a number from 1 to 255 nor max\n");
}

/* Blanks, `:`, comments, a byte order mark, Windows' line ends, no line end at the end. */
static void test_forms(void **state)
{
	struct config *config =
		load(*state, "\xef\xbb\xbf[guest]\r\nname=a\r\ndisk: /b ; comment\r\n; cpus = 9\n"
			     "# cpus = 9\n\n[service   x]\nexec = /bin/a");

	assert_string_equal(config->guest.name, "a");
	assert_string_equal(config->guest.disk, "/b");
	assert_int_equal(config->guest.cpus, 2);
	assert_string_equal(config->services[0].name, "x");
	assert_string_equal(config->services[0].exec.item[0], "/bin/a");
	config_free(config);
}

static void test_continuation(void **state)
{
	struct config *config = load(*state, "[service s]\n"
					     "exec = /bin/a one\n"
					     "\ttwo\n"
					     "   # not this\n"
					     "   three = 3\n"
					     "type = oneshot\n"
					     "[service t]\n"
					     "  exec = /bin/b\n");

	assert_int_equal(config->services[0].exec.n, 6);
	assert_string_equal(config->services[0].exec.item[2], "two");
	assert_string_equal(config->services[0].exec.item[5], "3");
	assert_int_equal(config->services[0].type, SERVICE_ONESHOT);
	assert_string_equal(config->services[1].exec.item[0], "/bin/b");
	config_free(config);
}

static void test_syntax(void **state)
{
	/* Every line that is none is named, not only the first. */
	refuse(*state,
	       "name = outside\n[guest\ncpus = 3\nnonsense\n[guest]\n= value\nname\n\n# "
	       "fine\n[stop]\ntimeout 5\n]\n",
	       "c:2: is neither a [section] nor a key = value line\n"
	       "c:4: is neither a [section] nor a key = value line\n"
	       "c:7: is neither a [section] nor a key = value line\n"
	       "c:11: is neither a [section] nor a key = value line\n"
	       "c:12: is neither a [section] nor a key = value line\n"
	       "c:1: [] name: there is no section []\n"
	       "c:3: [] cpus: there is no section []\n"
	       "c:6: [guest] : there is no such key; `casement --keys` lists them\n");
	refuse(*state, "[guest]\nxml = /x\n[stop]\non-deadline = save\n",
	       "c:4: [stop] on-deadline: save does not work with [guest] xml\n");
	refuse(*state, "[guest ;]\n", "c:1: is neither a [section] nor a key = value line\n");
	refuse(*state, "last line", "c:1: is neither a [section] nor a key = value line\n");
}

static void test_duplicate(void **state)
{
	refuse(*state, "[guest]\nname = a\n[stop]\ntimeout = 1\n[guest]\nname = b\ncpus = 1\n",
	       "c:6: [guest] name is set a second time (line 2 has the first)\n");
}

/* libinih cuts lines and names silently; a value that was cut is not what the author wrote. */
static void test_long(void **state)
{
	struct config *config;
	char text[600], line[256];

	memset(line, 'x', sizeof(line));
	snprintf(text, sizeof(text), "[guest]\nname = %.191s\n", line);
	config = load(*state, text);
	assert_int_equal(strlen(config->guest.name), 191);
	config_free(config);
	snprintf(text, sizeof(text), "[guest]\nname = %.192s\ncpus = 300\n", line);
	refuse(*state, text,
	       "c:2: the line is longer than 198 bytes: continue it on a second, indented line\n"
	       "c:3: [guest] cpus: \"300\" is neither a number from 1 to 255 nor max\n");
	snprintf(text, sizeof(text), "[guest]\nname = a\n  %.150s\n  %.150s\n", line, line);
	config = load(*state, text);
	assert_int_equal(strlen(config->guest.name), 303);
	config_free(config);
	snprintf(text, sizeof(text), "[device /%.41s]\nmode = 0600\n", line);
	config = load(*state, text);
	assert_int_equal(strlen(config->devices[0].path), 42);
	config_free(config);
	memset(line, '/', sizeof(line));
	snprintf(text, sizeof(text), "[device /%.42s]\nmode = 0600\n", line);
	write_file("c", text);
	refuse_loaded(*state, "c:1: the section's name is longer than 49 bytes\n");
}

static void test_unknown(void **state)
{
	refuse(*state,
	       "[guest]\nnaem = a\n[gest]\nname = a\n[service]\nexec = a\n[service a/b]\nexec = "
	       "a\n[device kvm]\nmode = 0600\n"
	       "[Guest]\nname = b\n[device]\nmode = 0600\n[guest x]\nname = c\n[service .a]\nexec "
	       "= x\n",
	       "c:2: [guest] naem: there is no such key; `casement --keys` lists them\n"
	       "c:4: [gest] name: there is no section [gest]\n"
	       "c:6: [service] exec: there is no section [service]\n"
	       "c:8: [service a/b] exec: a service's name is up to 40 letters, digits and - _ . @\n"
	       "c:12: [Guest] name: there is no section [Guest]\n"
	       "c:14: [device] mode: there is no section [device]\n"
	       "c:16: [guest x] name: there is no section [guest x]\n"
	       "c:18: [service .a] exec: a service's name is up to 40 letters, digits and - _ . "
	       "@\n"
	       "c:10: [device kvm] mode: a device section names an absolute path, as in [device "
	       "/dev/kvm]; a USB or PCI device needs as = usb or pci\n");
}

/* One run names every mistake, of every sort and from every source. */
static void test_all_at_once(void **state)
{
	setenv("CASEMENT_STOP_TIMEOUT", "soon", 1);
	setenv("CASEMENT_TYPO", "1", 1);
	refuse(*state,
	       "[guest]\ncpus = 0\nmemory = 4\nnonsense\ncolour = red\n[network]\nforwards = 0 "
	       "22/tcp 22/tcp 5-4/udp\n"
	       "[service a]\nexec = a\nafter = b absent\ntype = fork\n[service b]\nexec = 'b\nmain "
	       "= yes\n"
	       "[service c]\nmain = yes\n",
	       "c:4: is neither a [section] nor a key = value line\n"
	       "CASEMENT_TYPO: no section and key have this name; `casement --keys` lists them\n"
	       "c:2: [guest] cpus: \"0\" is neither a number from 1 to 255 nor max\n"
	       "c:3: [guest] memory: \"4\" has no unit: write 512M or 4G\n"
	       "c:5: [guest] colour: there is no such key; `casement --keys` lists them\n"
	       "c:7: [network] forwards: entry 1, \"0\": \"0\" is not a port; ports are 1 to "
	       "65535\n"
	       "c:7: [network] forwards: entry 4, \"5-4/udp\": the range ends before it begins\n"
	       "c:7: [network] forwards: entry 3, \"22/tcp\": tcp port 22 is forwarded already by "
	       "entry 2, \"22/tcp\"; a port leads to one place only\n"
	       "c:11: [service a] type: \"fork\" is none of: simple, notify, oneshot\n"
	       "c:13: [service b] exec: \"'b\" has an unclosed quote\n"
	       "CASEMENT_STOP_TIMEOUT: \"soon\" is not a duration such as 90s, 500ms, 2m or 1h\n"
	       "c:10: [service a] after: there is no service \"absent\"\n"
	       "c:13: [service b] exec: the service has no exec\n"
	       "[service c]: the service has no exec\n"
	       "c:16: [service c] main: b is the main service already\n");
}

/* Bytes that are no text: whatever is said, it ends, and nothing is accepted. */
static void test_binary(void **state)
{
	struct place *place = *state;
	struct config *config = NULL;
	char bytes[4096];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + i / 256);
	write_bytes("c", bytes, sizeof(bytes));
	assert_int_equal(config_load("c", hear, place, &config), -EINVAL);
	assert_null(config);
	assert_true(place->said[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_missing_file),
		TEST(test_not_regular),
		TEST(test_not_regular_optional),
		TEST(test_size),
		TEST(test_size_of_all),
		TEST(test_pairs),
		TEST(test_dropins_limit),
		TEST(test_order),
		TEST(test_environment),
		TEST(test_environment_mistakes),
		TEST(test_forms),
		TEST(test_continuation),
		TEST(test_syntax),
		TEST(test_duplicate),
		TEST(test_long),
		TEST(test_unknown),
		TEST(test_all_at_once),
		TEST(test_binary),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
