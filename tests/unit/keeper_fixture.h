/* A keeper with everything around it: the fake libvirt, a plan, directories, signals. Included by its two tests. */
#pragma once

#include "fake_libvirt.h"
#include "init/guest/keeper_parts.h"
#include "init/guest/signals.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <libvirt/virterror.h>

static struct config config;
static struct plan plan;
static struct keeper keeper;
static char run_directory[64], boots_path[96];
static struct keeper_paths paths = { "fake:///", run_directory, run_directory, boots_path, "/nowhere" };

/* As if the storage had been found: keeper_prepare() has nothing left to do. */
static void make_plan(void)
{
	static char name[] = "windows", cpu[] = CPU_HOST;

	config = (struct config){
		.guest = { .name = name, .cpu = cpu, .start_timeout = 60000 },
		.stop = { .timeout = 60000, .resend = 5000 },
		.health = { .rdp_port = 3389, .rdp_interval = 30000, .rdp_timeout = 5000, .rdp_failures = 3 },
	};
	plan = (struct plan){ .config = &config, .name = strdup("windows"), .prepared = true, .size = { 1024, 1, 0 } };
	plan.storage.disk.n = 1;
	plan.storage.disk.links[0].path = strdup("/storage/windows.qcow2");
	strcpy(plan.storage.identity.uuid, "00000000-0000-4000-8000-000000000001");
}

static void make_keeper(void)
{
	int fd = signals_open();

	assert_true(fd >= 0);
	assert_int_equal(keeper_init(&keeper, &config, &plan, &paths, fd), 0);
}

static int fixture_set_up(void **state)
{
	(void)state;
	strcpy(run_directory, "/tmp/casement-keeper.XXXXXX");
	if (!mkdtemp(run_directory))
		return -1;
	snprintf(boots_path, sizeof(boots_path), "%s/boots", run_directory);
	fake_libvirt_reset();
	make_plan();
	return 0;
}

static int fixture_tear_down(void **state)
{
	char path[128];

	(void)state;
	fake_libvirt_open_gate();
	if (keeper.config)
		keeper_clear(&keeper);
	keeper.config = NULL;
	plan_clear(&plan);
	snprintf(path, sizeof(path), "%s/windows.pid", run_directory);
	unlink(path);
	unlink(boots_path);
	return rmdir(run_directory);
}

/* The loop would sleep until something happens; tests look at it in between. */
static void on_beat(int timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

static int fixture_main(const struct CMUnitTest *tests, size_t n)
{
	signals_block();
	unsetenv("NOTIFY_SOCKET");
	log_open("guest");
	log_set_level(getenv("CASEMENT_TEST_LOG") ? LOG_LEVEL_DEBUG : 0);
	if (virEventRegisterDefaultImpl() || virEventAddTimeout(20, on_beat, NULL, NULL) < 0)
		return 1;
	return _cmocka_run_group_tests("keeper", tests, n, NULL, NULL);
}
