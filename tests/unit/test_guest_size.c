/* The guest's size: what is chosen, what is said about it, and what is refused. */
#include "init/guest/size.h"

#include "lib/config_entry.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>

#define MIB (UINT64_C(1) << 20)
#define SIZE(mib)                                       \
	{                                               \
		.kind = MEMORY_SIZE, .bytes = (mib)*MIB \
	}
#define PERCENT(n)                                   \
	{                                            \
		.kind = MEMORY_PERCENT, .percent = n \
	}
#define MAX                        \
	{                          \
		.kind = MEMORY_MAX \
	}
#define UNLIMITED (UINT64_MAX / MIB)

static char said[1024];
static enum log_level said_level;
static struct failure failure;
static struct size size;

static void on_log(void *context, enum log_level level, const char *text, size_t length)
{
	(void)context;
	assert_string_equal(said, ""); /* one line */
	snprintf(said, sizeof(said), "%.*s", (int)length, text);
	said_level = level;
}

/* What there is, in MiB, and what is asked for. */
struct scene {
	uint64_t limit, host;
	struct memory_choice memory;
	bool is_default;
	bool emulated;
	bool tpm;
	unsigned cpus;	 /* 0: one */
	uint64_t chosen; /* 0: refused */
	const char *words[4];
	enum log_level level;
	unsigned tb_cache;
};

static int decide(const struct scene *scene)
{
	struct config_entry entries[] = {
		{ .section = (char[]){ "guest" },
		  .key = (char[]){ "memory" },
		  .source = (char[]){ "/etc/x.conf" },
		  .line = 7 },
	};
	const struct config config = {
		.guest = { .memory = scene->memory,
			   .cpus = scene->cpus ? scene->cpus : 1,
			   .tpm = scene->tpm },
		.entries = entries,
		.n_entries = !scene->is_default,
	};
	const struct allowance allowance = {
		.memory = scene->limit == UNLIMITED ? UINT64_MAX : scene->limit * MIB,
		.host_memory = scene->host * MIB,
		.quota = UINT_MAX,
		.processors = UINT_MAX,
	};

	said[0] = '\0';
	size = (struct size){ .memory = 12345 };
	failure.text[0] = '\0';
	return size_decide(&config, &allowance, !scene->emulated, &size, &failure);
}

static const struct scene scenes[] = {
	/* The default, with room for it. */
	{ 8192, 16384, SIZE(4096), .is_default = true, .chosen = 4096 },
	{ UNLIMITED, 24105, SIZE(4096), .is_default = true, .chosen = 4096 },
	{ UNLIMITED, 0, SIZE(4096), .is_default = true, .chosen = 4096 },
	/* 4096 + 32 of page tables + 64 + 256 + 8: exactly, and one less. */
	{ 4456, 16384, SIZE(4096), .is_default = true, .chosen = 4096 },
	{ 4455, 16384, SIZE(4096), .is_default = true, .chosen = 4095, .level = LOG_LEVEL_WARNING,
	  .words = { "gets 4095 MiB of memory instead of the default of 4096 MiB",
		     "the container's memory limit is 4455 MiB" } },
	/* And with less. */
	{ 2048, 16384, SIZE(4096), .is_default = true, .chosen = 1706, .level = LOG_LEVEL_WARNING,
	  .words = { "gets 1706 MiB of memory instead of the default of 4096 MiB",
		     "the container's memory limit is 2048 MiB" } },
	{ UNLIMITED, 3900, SIZE(4096), .is_default = true, .chosen = 3036,
	  .level = LOG_LEVEL_WARNING, .words = { "3036 MiB", "the host's memory is 3900 MiB" } },
	{ 391, 16384, SIZE(4096), .is_default = true,
	  .words = { "the container's memory limit is 391 MiB, which is too little",
		     "at least 64 MiB and all else 329 MiB", "--memory" } },
	{ 393, 16384, SIZE(4096), .is_default = true, .chosen = 64, .level = LOG_LEVEL_WARNING,
	  .words = { "64 MiB" } },
	{ 0, 16384, SIZE(4096), .is_default = true, .words = { "is 0 MiB, which is too little" } },

	/* A size that fits, that may be too much, that is. */
	{ 4456, 16384, SIZE(4096), .chosen = 4096 },
	{ 4455, 16384, SIZE(4096), .chosen = 4096, .level = LOG_LEVEL_WARNING,
	  .words = { "4096 MiB leave only 359 MiB of the container's memory limit",
		     "need up to 360 MiB", "give the container 4456 MiB",
		     "CASEMENT_GUEST_MEMORY=max" } },
	{ 4096, 16384, SIZE(4096), .chosen = 4096, .level = LOG_LEVEL_WARNING,
	  .words = { "leave only 0 MiB" } },
	{ 4095, 16384, SIZE(4096),
	  .words = { "[guest] memory (/etc/x.conf:7): 4096 MiB are more than the container's "
		     "memory limit of 4095 MiB, so the guest would be killed",
		     "give the container 4456 MiB (docker run --memory 4456m)",
		     "CASEMENT_GUEST_MEMORY=max" } },
	{ 1024, 16384, SIZE(100 << 20), .words = { "104857600 MiB are more than" } },
	/* Nobody limited it: the host may have swap space. */
	{ UNLIMITED, 4000, SIZE(3999), .chosen = 3999 },
	{ UNLIMITED, 4000, SIZE(4000), .chosen = 4000 },
	{ UNLIMITED, 4000, SIZE(4001), .chosen = 4001, .level = LOG_LEVEL_WARNING,
	  .words = { "4001 MiB are more than the host's memory of 4000 MiB" } },
	{ UNLIMITED, 0, SIZE(4001), .chosen = 4001 },
	/* Whole MiB. */
	{ 4096, 0, { .bytes = 1000 * MIB + MIB - 1 }, .chosen = 1000 },

	/* A part. */
	{ 1024, 16384, PERCENT(50), .chosen = 512, .level = LOG_LEVEL_INFO,
	  .words = { "gets 512 MiB of memory: 50% of the container's memory limit of 1024 MiB" } },
	{ UNLIMITED, 4001, PERCENT(50), .chosen = 2000, .level = LOG_LEVEL_INFO,
	  .words = { "50% of the host's memory of 4001 MiB" } },
	{ 2048, 16384, PERCENT(84), .chosen = 1706, .level = LOG_LEVEL_WARNING,
	  .words = { "84% of the container's memory limit of 2048 MiB would leave too little",
		     "the guest gets 1706 MiB" } },
	{ 2048, 16384, PERCENT(83), .chosen = 1699, .level = LOG_LEVEL_INFO },
	{ 2048, 16384, PERCENT(2),
	  .words = { "2% of the container's memory limit of 2048 MiB are 40 MiB", "64 MiB" } },
	{ 128, 16384, PERCENT(100), .words = { "which is too little" } },
	{ UNLIMITED, 0, PERCENT(50), .words = { "neither a cgroup nor /proc/meminfo says" } },
	{ UINT64_MAX / MIB - 1, 0, PERCENT(100), .chosen = 17455812508860,
	  .level = LOG_LEVEL_WARNING },

	/* All. */
	{ 2048, 16384, MAX, .chosen = 1706, .level = LOG_LEVEL_INFO,
	  .words = { "gets 1706 MiB of memory: the container's memory limit is 2048 MiB" } },
	{ 2048, 16384, MAX, .cpus = 4, .chosen = 1682, .level = LOG_LEVEL_INFO },
	{ 2048, 16384, MAX, .tpm = true, .chosen = 1674, .level = LOG_LEVEL_INFO },
	{ UNLIMITED, 16384, MAX, .chosen = 13899, .level = LOG_LEVEL_INFO,
	  .words = { "the host's memory is 16384 MiB" } },
	{ 128, 16384, MAX, .words = { "which is too little" } },
	{ UNLIMITED, 0, MAX, .words = { "neither a cgroup nor /proc/meminfo says" } },

	/* Emulation has translated code: an eighth, 32 to 1024 MiB. */
	{ 1024, 16384, MAX, .emulated = true, .chosen = 563, .tb_cache = 128,
	  .level = LOG_LEVEL_INFO },
	{ 16384, 32768, SIZE(1024), .emulated = true, .chosen = 1024, .tb_cache = 1024 },
	{ 224, 32768, SIZE(64), .emulated = true, .chosen = 64, .tb_cache = 32,
	  .level = LOG_LEVEL_WARNING },
	{ UNLIMITED, 32768, SIZE(1024), .emulated = true, .chosen = 1024 },
	{ UNLIMITED, 16384, MAX, .emulated = true, .chosen = 12883, .level = LOG_LEVEL_INFO },
};

static void memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
		const struct scene *scene = &scenes[i];
		int result = decide(scene);
		const char *text = scene->chosen ? said : failure.text;

		if (scene->chosen ? result != 0 || size.memory != scene->chosen
				  : result >= 0 || size.memory != 12345)
			fail_msg("scene %zu: %d, %llu MiB, %s%s", i, result,
				 (unsigned long long)size.memory, said, failure.text);
		if (!scene->chosen)
			assert_int_equal(failure.code, EXIT_CONFIG);
		if (scene->chosen && (*said ? (unsigned)said_level : 0U) != (unsigned)scene->level)
			fail_msg("scene %zu: %u says '%s'", i, said_level, said);
		for (size_t j = 0; j < ARRAY_SIZE(scene->words) && scene->words[j]; j++) {
			if (!strstr(text, scene->words[j]))
				fail_msg("scene %zu: '%s' lacks '%s'", i, text, scene->words[j]);
		}
		if (scene->chosen)
			assert_int_equal(size.tb_cache, scene->tb_cache);
	}
}

/* What is called the largest guest fits with what it costs, and one more MiB does not. */
static void the_largest_fits(void **state)
{
	(void)state;
	for (uint64_t limit = 400; limit < 5000; limit++) {
		struct scene scene = { limit, 16384, MAX, false, false, false, 1, 0, { 0 }, 0, 0 };
		uint64_t largest;

		assert_int_equal(decide(&scene), 0);
		largest = size.memory;
		scene.memory = (struct memory_choice)SIZE(largest);
		assert_int_equal(decide(&scene), 0);
		assert_string_equal(said, "");
		scene.memory = (struct memory_choice)SIZE(largest + 1);
		decide(&scene);
		assert_true(*said || failure.text[0]);
	}
}

static void decide_cpus(unsigned wanted, bool is_default, unsigned quota, unsigned processors)
{
	struct config_entry entries[] = {
		{ .section = (char[]){ "guest" },
		  .key = (char[]){ "cpus" },
		  .source = (char[]){ "CASEMENT_GUEST_CPUS" } },
	};
	const struct config config = {
		.guest = { .memory = SIZE(64), .cpus = wanted },
		.entries = entries,
		.n_entries = !is_default,
	};
	const struct allowance allowance = { UINT64_MAX, UINT64_C(64) << 30, quota, processors };

	said[0] = '\0';
	assert_int_equal(size_decide(&config, &allowance, true, &size, &failure), 0);
}

static void processors(void **state)
{
	(void)state;
	decide_cpus(CPUS_MAX, false, UINT_MAX, 8);
	assert_int_equal(size.cpus, 8);
	assert_non_null(strstr(said, "gets 8 virtual processors"));
	decide_cpus(CPUS_MAX, false, 3, 8);
	assert_int_equal(size.cpus, 3);
	decide_cpus(CPUS_MAX, false, 16, 8);
	assert_int_equal(size.cpus, 8);
	decide_cpus(CPUS_MAX, false, UINT_MAX, 1024);
	assert_int_equal(size.cpus, 255);
	decide_cpus(CPUS_MAX, false, UINT_MAX, UINT_MAX);
	assert_int_equal(size.cpus, 1);

	decide_cpus(4, false, 4, 8);
	assert_int_equal(size.cpus, 4);
	assert_string_equal(said, "");
	decide_cpus(5, false, 4, 8);
	assert_int_equal(size.cpus, 5);
	assert_int_equal(said_level, LOG_LEVEL_WARNING);
	assert_non_null(strstr(said, "5 virtual processors, but the container may use only 4"));
	decide_cpus(5, false, UINT_MAX, UINT_MAX);
	assert_string_equal(said, "");
	/* Nobody chose it. */
	decide_cpus(2, true, 1, 8);
	assert_int_equal(size.cpus, 2);
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(processors),
	};

	log_open("guest");
	log_set_level(LOG_LEVEL_INFO);
	log_redirect(on_log, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
