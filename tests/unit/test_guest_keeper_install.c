/* A whole keeper whose guest is being installed, on a fake libvirt. */
#include "keeper_scenes.h"

#include "lib/install_mark.h"

#include <sys/stat.h>

static char disk[96], iso[] = "/other";

/* What PID 1 was told last. */
#define TOLD(member) keeper.report.last.member

static void touch(const char *path)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fclose(file);
}

static bool there(const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", disk, suffix);
	return access(path, F_OK) == 0;
}

/* A disk with its mark and its answers, which the guest has in a drive; its agent shows that it is ready. */
static int set_up(void **state)
{
	struct stat status;

	if (fixture_set_up(state))
		return -1;
	snprintf(disk, sizeof(disk), "%s/disk", run_directory);
	touch(disk);
	assert_int_equal(stat(disk, &status), 0);
	assert_int_equal(install_mark_write(disk, status.st_ino), 0);
	plan.storage.nvram = strdup("/nvram");
	config.guest.disk = disk;
	config.guest.iso = iso;
	config.guest.firmware = FIRMWARE_UEFI;
	config.health.probe = (struct probe_choice){ .kind = PROBE_BY_AGENT };
	plan.install.answers = install_answers_path(disk);
	touch(plan.install.answers);
	install_clear(&plan.install);
	assert_int_equal(install_find(&config.guest, &plan.install), 0);
	assert_true(plan.install.under_way);
	fake.answers = plan.install.answers;
	return 0;
}

static int tear_down(void **state)
{
	char path[128];

	for (const char *const *suffix = (const char *const[]){ "", ".installing", ".answers.iso", NULL }; *suffix; suffix++) {
		snprintf(path, sizeof(path), "%s%s", disk, *suffix);
		unlink(path);
	}
	return fixture_tear_down(state);
}

static void start(void)
{
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
}

static unsigned keys(void)
{
	const char *calls = fake_libvirt_calls();
	unsigned n = 0;

	while ((calls = strstr(calls, "key"))) {
		calls++;
		n++;
	}
	return n;
}

static void from_key_to_answer(void **state)
{
	(void)state;
	start();
	assert_string_equal(TOLD(reason), "installing");
	assert_string_equal(TOLD(status), "the guest boots, being installed");
	UNTIL(keys() == 1);
	/* What asks is read, and nothing else. */
	fake.read = 4 << 20;
	UNTIL(keys() == 2);
	fake.read = 64 << 20;
	UNTIL(keeper.next_key == INT64_MAX);
	assert_int_equal(keys(), 2);
	assert_true(there(".installing") && there(".answers.iso"));
	fake_libvirt_agent_event(true);
	UNTIL(!fake.answers);
	assert_non_null(strstr(fake.xml, "device='cdrom'"));
	assert_non_null(strstr(fake.xml, "dev='sdc'"));
	assert_null(strstr(fake.xml, "source"));
	assert_false(there(".installing") || there(".answers.iso"));
	assert_true(there(""));
	UNTIL(!TOLD(reason)[0]);
	assert_string_equal(TOLD(status), "the guest runs; the guest agent is connected");
	assert_false(keeper.eject_answers);
}

/* Then it is the disk's turn to boot, and nobody asks. */
static void no_key_after_a_reboot(void **state)
{
	(void)state;
	start();
	UNTIL(keys() == 1);
	fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	assert_true(keeper.next_key == INT64_MAX);
	assert_string_equal(TOLD(reason), "installing");
	assert_true(there(".installing"));
}

/* A BIOS is asked nothing; nor is a guest that was found running, or one that is not being installed. */
static void no_key_at_all(void **state)
{
	(void)state;
	config.guest.firmware = FIRMWARE_BIOS;
	start();
	assert_true(keeper.next_key == INT64_MAX);
	keeper_clear(&keeper);
	config.guest.firmware = FIRMWARE_UEFI;
	start(); /* it runs already */
	assert_true(keeper.next_key == INT64_MAX);
	assert_string_equal(TOLD(reason), "installing");
	keeper_clear(&keeper);
	fake.state = VIR_DOMAIN_SHUTOFF;
	boots_save(boots_path, 0, 0);
	install_clear(&plan.install);
	start();
	assert_true(keeper.next_key == INT64_MAX);
	assert_string_equal(TOLD(reason), "");
	assert_int_equal(keys(), 0);
}

/* A key that does not arrive, a drive that does not open: said, and nothing comes of it. */
static void refused(void **state)
{
	(void)state;
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "key";
	start();
	UNTIL(keys() == 2);
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "update";
	fake_libvirt_agent_event(true);
	UNTIL(strstr(fake_libvirt_calls(), "update"));
	UNTIL(!keeper.worker.busy);
	assert_non_null(fake.answers);
	assert_false(there(".answers.iso"));
	assert_int_equal(keeper.life, LIFE_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_key_to_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_key_after_a_reboot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_key_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
