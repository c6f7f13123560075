/* Lists in the configuration: long ones, over many lines, with many mistakes. What an entry may be
 * is test_forward.c's and test_ports.c's. */
#include "config_fixture.h"
#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Which entries of a list are bad: those whose place is a multiple of @every, up to @last. */
struct pattern {
	unsigned every, last;
};

static const struct pattern none = { 1, 0 };

static bool is_bad(const struct pattern *bad, unsigned place)
{
	return place % bad->every == 0 && place <= bad->last;
}

/** list() - "1/tcp 2/tcp ..." up to @n, with @separator between two; a bad one is "x10/tcp". */
static char *list(unsigned n, const struct pattern *bad, const char *separator)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	for (unsigned i = 1; i <= n; i++)
		fprintf(file, "%s%s%u/tcp", i > 1 ? separator : "", is_bad(bad, i) ? "x" : "", i);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void count(void *context, const char *message)
{
	unsigned *n = context;

	if (++*n <= CONFIG_MAX_MISTAKES)
		assert_non_null(strstr(message, " stays with the container: "));
	else
		assert_string_equal(message,
				    "the configuration: 4900 more mistakes are not listed");
}

static void write_list(const char *text)
{
	FILE *file = fopen("c", "we");

	assert_non_null(file);
	assert_true(fprintf(file, "[guest]\nname = a\n[network]\nforwards =\n  %s\n", text) > 0);
	assert_int_equal(fclose(file), 0);
}

/** expect() - The mistakes of list(1000, @bad) are reported, each with @origin in front. */
static void expect(struct place *place, const struct pattern *bad, const char *origin)
{
	autofree char *expected = NULL;
	size_t size;
	FILE *file = open_memstream(&expected, &size);
	unsigned n = 0;

	assert_non_null(file);
	for (unsigned i = 1; i <= 1000; i++) {
		if (is_bad(bad, i) && ++n <= CONFIG_MAX_MISTAKES)
			fprintf(file, "%s: entry %u, \"x%u/tcp\": \"x%u\" is not a port number\n",
				origin, i, i, i);
	}
	if (n > CONFIG_MAX_MISTAKES)
		fprintf(file, "the configuration: %u more mistakes are not listed\n",
			n - CONFIG_MAX_MISTAKES);
	assert_int_equal(fclose(file), 0);
	refuse_loaded(place, expected);
}

/* Every mistake is a message of its own, as many as are listed, and none repeats the list: all
 * thousand, three hundred of a thousand, exactly as many as are listed, one more, one of a
 * thousand. */
static void test_many_mistakes(void **state)
{
	static const struct pattern patterns[] = {
		{ 1, 1000 },
		{ 3, 900 },
		{ 1, CONFIG_MAX_MISTAKES },
		{ 1, CONFIG_MAX_MISTAKES + 1 },
		{ 777, 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		autofree char *lines = list(1000, &patterns[i], "\n  ");
		autofree char *text = list(1000, &patterns[i], " ");

		write_list(lines);
		expect(*state, &patterns[i], "c:4: [network] forwards");
		write_file("c", "[guest]\nname = a\n");
		setenv("CASEMENT_NETWORK_FORWARDS", text, 1);
		expect(*state, &patterns[i], "CASEMENT_NETWORK_FORWARDS");
		unsetenv("CASEMENT_NETWORK_FORWARDS");
	}
}

/* Parts of what the container may use; and what is not set has another origin than what is. */
static void test_sizes(void **state)
{
	struct config *config = load(*state, "[guest]\nmemory = 50%\ncpus = max\n");
	char place[64];

	assert_int_equal(config->guest.memory.kind, MEMORY_PERCENT);
	assert_int_equal(config->guest.memory.percent, 50);
	assert_int_equal(config->guest.cpus, CPUS_MAX);
	assert_string_not_equal(config_origin(config, "guest", "memory", place, sizeof(place)),
				CONFIG_BUILT_IN);
	config_free(config);
	config = load(*state, "[guest]\nmemory = max\n");
	assert_int_equal(config->guest.memory.kind, MEMORY_MAX);
	assert_int_equal(config->guest.cpus, 2);
	assert_string_equal(config_origin(config, "guest", "cpus", place, sizeof(place)),
			    CONFIG_BUILT_IN);
	config_free(config);
	refuse(*state, "[guest]\nmemory = 150%\n",
	       "c:2: [guest] memory: \"150%\" is not a percentage from 1% to 100%\n");
}

/* One value has one mistake, and a long one is quoted in part. */
static void test_long_value(void **state)
{
	char text[300], expected[400];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	setenv("CASEMENT_GUEST_CPUS", text, 1);
	snprintf(expected, sizeof(expected),
		 "CASEMENT_GUEST_CPUS: \"%.200s\" is neither a number from 1 to 255 nor max\n",
		 text);
	refuse(*state, "", expected);
}

static void check_long(const struct config *config, unsigned n)
{
	assert_int_equal(config->network.n_forwards, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(config->network.forwards[i].listen_first, i + 1);
		assert_int_equal(config->network.forwards[i].entry, i + 1);
	}
}

/* Every port of a protocol in one list; an environment can hold 128 KiB in one variable. */
static void test_long_lists(void **state)
{
	autofree char *lines = list(65535, &none, "\n  ");
	autofree char *text = list(10000, &none, " ");
	struct place *place = *state;
	struct config *config = NULL;

	write_list(lines);
	assert_int_equal(config_load("c", hear, place, &config), 0);
	check_long(config, 65535);
	config_free(config);
	assert_true(strlen(text) < 128 * 1024 - 64);
	setenv("CASEMENT_NETWORK_FORWARDS", text, 1);
	config = load(place, "");
	check_long(config, 10000);
	config_free(config);
	unsetenv("CASEMENT_NETWORK_FORWARDS");
}

/* The limit is that of a line: a value has no limit, and no line is cut without a word. */
static void test_long_lines(void **state)
{
	char text[1024], line[256];

	memset(line, ' ', sizeof(line));
	memcpy(line + 193, "7/tcp", 6);
	snprintf(text, sizeof(text), "[network]\nforwards = 1/tcp\n%s\n  9/tcp\n", line);
	config_free(load(*state, text));
	memcpy(line + 193, "7/tcp ", 7);
	snprintf(text, sizeof(text), "[network]\nforwards = 1/tcp\n%s\n  x/tcp\n", line);
	refuse(*state, text,
	       "c:3: the line is longer than 198 bytes: continue it on a second, indented line\n"
	       "c:2: [network] forwards: entry 3, \"x/tcp\": \"x\" is not a port number\n");
}

static void test_keep(void **state)
{
	struct config *config = load(*state, "[network]\nkeep = 22/tcp 5000-5010/udp\n  21/tcp\n"
					     "forwards = all 3389/tcp 23/tcp 22/udp 5011/udp\n");
	const struct network_config *network = &config->network;

	assert_int_equal(network->n_keep, 2);
	assert_int_equal(network->keep[0].listen_first, 21);
	assert_int_equal(network->keep[0].listen_last, 22);
	assert_int_equal(network->keep[1].proto, IPPROTO_UDP);
	assert_int_equal(network->keep[1].listen_first, 5000);
	assert_int_equal(network->n_forwards, 6);
	config_free(config);

	config = load(*state, "[network]\nkeep =\n");
	assert_int_equal(config->network.n_keep, 0);
	config_free(config);
	config = load(*state, "[network]\nforwards =\nkeep = 1-65535\n");
	assert_int_equal(config->network.n_forwards, 0);
	config_free(config);
}

/* An entry that names a kept port, even one of many, is a mistake; `all` names none. */
static void test_kept_forwards(void **state)
{
	refuse(*state,
	       "[network]\nforwards = 80 20-25:1020-1025/tcp 5005/udp 443/tcp all 8000-9000/tcp "
	       "53\n"
	       "keep = 22/tcp 24-30/tcp 80 5000-5010/udp\n  8000-8010/tcp 8500/tcp 9000 53/udp 7\n",
	       "c:2: [network] forwards: entry 1, \"80\": tcp and udp port 80 stays with the "
	       "container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 2, \"20-25:1020-1025/tcp\": tcp port 22 stays with "
	       "the container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 2, \"20-25:1020-1025/tcp\": tcp port 24-25 stays "
	       "with "
	       "the container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 3, \"5005/udp\": udp port 5005 stays with the "
	       "container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 6, \"8000-9000/tcp\": tcp port 8000-8010 stays with "
	       "the container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 6, \"8000-9000/tcp\": tcp port 8500 stays with the "
	       "container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 6, \"8000-9000/tcp\": tcp port 9000 stays with the "
	       "container: [network] keep (c:3) has it\n"
	       "c:2: [network] forwards: entry 7, \"53/udp\": udp port 53 stays with the "
	       "container: "
	       "[network] keep (c:3) has it\n");
	refuse(*state, "[network]\nkeep = 3389\n",
	       "[network] forwards, the built-in default: entry 1, \"3389\": tcp and udp port 3389 "
	       "stays with the container: [network] keep (c:2) has it\n");
	setenv("CASEMENT_NETWORK_FORWARDS", "1-65535", 1);
	setenv("CASEMENT_NETWORK_KEEP", "65535/udp", 1);
	refuse(*state, "",
	       "CASEMENT_NETWORK_FORWARDS: entry 1, \"1-65535/udp\": udp port 65535 stays with the "
	       "container: [network] keep (CASEMENT_NETWORK_KEEP) has it\n");
}

/* A list with mistakes is compared with nothing, least of all its default. */
static void test_bad_keep(void **state)
{
	refuse(*state, "[network]\nkeep = 22:80 3389 x\n",
	       "c:2: [network] keep: entry 1, \"22:80\": this list has no guest ports: leave the "
	       "colon and what follows it out\n"
	       "c:2: [network] keep: entry 3, \"x\": \"x\" is not a port number\n");
	refuse(*state, "[network]\nkeep = 3389\nforwards = y\n",
	       "c:3: [network] forwards: entry 1, \"y\": \"y\" is not a port number\n");
}

/* Ten thousand in each list: every second one is in both. */
static void test_many_kept(void **state)
{
	autofree char *forwards = list(10000, &none, "\n  ");
	struct config *config = NULL;
	FILE *file = fopen("c", "we");
	unsigned n = 0;

	(void)state;
	assert_non_null(file);
	fprintf(file, "[network]\nforwards = %s\nkeep =\n", forwards);
	for (unsigned i = 2; i <= 20000; i += 2)
		fprintf(file, "  %u\n", i);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(config_load("c", count, &n, &config), -EINVAL);
	assert_int_equal(n, CONFIG_MAX_MISTAKES + 1);
	assert_null(config);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_many_mistakes), TEST(test_sizes),	 TEST(test_long_value),
		TEST(test_long_lists),	  TEST(test_long_lines), TEST(test_keep),
		TEST(test_kept_forwards), TEST(test_bad_keep),	 TEST(test_many_kept),
	};

	return cmocka_run_group_tests_name("config_lists", tests, NULL, NULL);
}
