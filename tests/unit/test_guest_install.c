/* What an installation that is under way adds to the guest, and whose disk is meant. */
#include "init/guest/install.h"
#include "lib/install_mark.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

struct place {
	char directory[32];
	char disk[64], iso[64], virtio[64], answers[64];
};

static void touch(const char *path)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fclose(file);
}

static int enter(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	strcpy(place->directory, "/tmp/casement-install.XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	/* QEMU's user, if there is one, must get through. */
	chmod(place->directory, 0755);
	snprintf(place->disk, sizeof(place->disk), "%s/disk", place->directory);
	snprintf(place->iso, sizeof(place->iso), "%s/iso", place->directory);
	snprintf(place->virtio, sizeof(place->virtio), "%s/virtio", place->directory);
	snprintf(place->answers, sizeof(place->answers), "%s/disk.answers.iso", place->directory);
	*state = place;
	return 0;
}

static int leave(void **state)
{
	struct place *place = *state;
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", place->directory);
	free(place);
	return system(command);
}

static void mark(const struct place *place)
{
	struct stat status;

	touch(place->disk);
	assert_int_equal(stat(place->disk, &status), 0);
	assert_int_equal(install_mark_write(place->disk, status.st_ino), 0);
}

static void a_mark_is_a_disks(void **state)
{
	const struct place *place = *state;
	char other[80];

	assert_false(install_mark_holds(place->disk));
	assert_int_equal(install_mark_remove(place->disk), 0);
	mark(place);
	assert_true(install_mark_holds(place->disk));
	/* Another disk in its place: its owner would be surprised. */
	snprintf(other, sizeof(other), "%s.other", place->disk);
	touch(other);
	assert_int_equal(rename(other, place->disk), 0);
	assert_false(install_mark_holds(place->disk));
	mark(place);
	assert_true(install_mark_holds(place->disk));
	assert_int_equal(install_mark_remove(place->disk), 0);
	assert_false(install_mark_holds(place->disk));
	assert_int_equal(install_mark_write("/nowhere/disk", 1), -ENOENT);
}

static void under_way(void **state)
{
	struct place *place = *state;
	struct guest_config config = { .disk = place->disk, .iso = place->iso };
	struct install install;

	assert_int_equal(install_find(&config, &install), 0);
	assert_false(install.under_way);
	mark(place);
	assert_int_equal(install_find(&config, &install), 0);
	assert_true(install.under_way);
	assert_null(install.answers);
	touch(place->answers);
	assert_int_equal(install_find(&config, &install), 0);
	assert_string_equal(install.answers, place->answers);
	install_clear(&install);
	/* Without a medium nobody installs, and an own definition boots what it boots. */
	config.iso = NULL;
	assert_int_equal(install_find(&config, &install), 0);
	assert_false(install.under_way);
	config = (struct guest_config){ .disk = place->disk, .iso = place->iso, .xml = place->iso };
	assert_int_equal(install_find(&config, &install), 0);
	assert_false(install.under_way);
}

static void drives(void **state)
{
	struct place *place = *state;
	struct guest_config config = { .disk = place->disk, .iso = place->iso, .virtio_iso = place->virtio };
	const char *const paths[] = { place->iso, place->answers, place->virtio };
	struct storage storage = { .n_drives = 0 };
	struct failure failure;
	struct install install = { .under_way = false };
	struct stat status;

	touch(place->iso);
	touch(place->virtio);
	touch(place->answers);
	assert_int_equal(install_attach(&install, &config, &storage, &failure), 0);
	assert_int_equal(storage.n_drives, 0);
	mark(place);
	assert_int_equal(install_find(&config, &install), 0);
	assert_int_equal(install_hand_over(&install, &failure), 0);
	assert_int_equal(install_attach(&install, &config, &storage, &failure), 0);
	assert_int_equal(storage.n_drives, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct drive *drive = &storage.drives[i];

		assert_string_equal(drive->disk.links[0].path, paths[i]);
		assert_true(drive->cdrom && drive->readonly && drive->disk.n == 1);
		assert_int_equal(drive->boot, i == 0 ? 2 : 0);
	}
	assert_int_equal(stat(place->answers, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0400);
	/* Others have taken all places. */
	storage.n_drives = DRIVES_MAX;
	assert_int_equal(install_attach(&install, &config, &storage, &failure), -E2BIG);
	storage.n_drives = 3;
	storage_clear(&storage);
	assert_int_equal(install_finish(&install, &config), 0);
	assert_false(install.under_way);
	assert_int_equal(access(place->answers, F_OK), -1);
	assert_false(install_mark_holds(place->disk));
	assert_int_equal(access(place->iso, F_OK), 0);
	assert_int_equal(install_finish(&install, &config), 0);
	install_clear(&install);
}

/* What a start would begin, without beginning it. */
static void imagined(void **state)
{
	struct place *place = *state;
	struct guest_config config = { .disk = place->disk, .base = place->virtio, .iso = place->iso };
	struct install install;

	assert_int_equal(install_imagine(&config, &install), 0);
	assert_true(install.under_way);
	assert_null(install.answers);
	config.windows = WINDOWS_10;
	assert_int_equal(install_imagine(&config, &install), 0);
	assert_string_equal(install.answers, place->answers);
	install_clear(&install);
	assert_int_not_equal(access(place->answers, F_OK), 0);
	touch(place->virtio); /* a base */
	assert_int_equal(install_imagine(&config, &install), 0);
	assert_false(install.under_way);
	unlink(place->virtio);
	touch(place->disk);
	assert_int_equal(install_imagine(&config, &install), 0);
	assert_false(install.under_way);
	mark(place);
	assert_int_equal(install_imagine(&config, &install), 0);
	assert_true(install.under_way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_mark_is_a_disks, enter, leave),
		cmocka_unit_test_setup_teardown(under_way, enter, leave),
		cmocka_unit_test_setup_teardown(imagined, enter, leave),
		cmocka_unit_test_setup_teardown(drives, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
