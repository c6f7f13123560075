/*
 * Further disks and CDs on a real file system: what is taken, in which order, and what is refused. Then their claims, and
 * what a saved state says about them.
 */
#include "init/guest/access.h"
#include "init/guest/claims.h"
#include "init/guest/drives.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char directory[64];
static char paths[8][96];
static struct config *config;
static struct storage storage;
static struct failure failure;
static struct claims claims, others;

static char *in_directory(size_t i, const char *name)
{
	snprintf(paths[i], sizeof(paths[i]), "%s/%s", directory, name);
	return paths[i];
}

static void put(const char *path, size_t size, size_t offset, const char *mark)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, mark, strlen(mark), (off_t)offset), strlen(mark));
}

static void put_disk(const char *path)
{
	put(path, 1 << 20, 510, "\x55\xaa");
}

static void put_cd(const char *path)
{
	put(path, 1 << 20, 0x8001, "CD001");
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-drives.XXXXXX");
	config = calloc(1, sizeof(*config));
	if (!config || !mkdtemp(directory) || chmod(directory, 0755))
		return -1;
	config->guest.disk = in_directory(0, "windows.raw");
	put_disk(config->guest.disk);
	return disk_open(config->guest.disk, "disk", true, &storage.disk, &failure);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	claims_drop(&claims);
	claims_drop(&others);
	storage_clear(&storage);
	free(config);
	return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void give(char *path, enum device_as as, bool readonly)
{
	config->devices[config->n_devices++] = (struct device_config){ .path = path, .as = as, .readonly = readonly };
}

static void refuse(const char *part)
{
	assert_true(drives_open(config, &storage, &failure) < 0);
	assert_int_equal(failure.code, EXIT_CONFIG);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
}

static void in_their_order(void **state)
{
	(void)state;
	give((char[]){ "/dev/kvm" }, DEVICE_NODE, false);
	give(in_directory(1, "a.raw"), DEVICE_DISK, false);
	give(in_directory(2, "b.iso"), DEVICE_CDROM, false);
	give((char[]){ "046d:c52b" }, DEVICE_USB, false);
	give(in_directory(3, "c.raw"), DEVICE_DISK, true);
	put_disk(paths[1]);
	put_cd(paths[2]);
	put_disk(paths[3]);
	assert_int_equal(drives_open(config, &storage, &failure), 0);
	assert_int_equal(storage.n_drives, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(storage.drives[i].disk.links[0].path, paths[i + 1]);
		assert_int_equal(storage.drives[i].cdrom, i == 1);
		assert_int_equal(storage.drives[i].readonly, i > 0);
		assert_int_equal(storage.drives[i].boot, 0);
	}
}

static void what_is_missing(void **state)
{
	(void)state;
	give(in_directory(1, "a.raw"), DEVICE_DISK, false);
	refuse("does not exist: mount it with -v");
	assert_int_equal(access(paths[1], F_OK), -1);
	config->devices[0].as = DEVICE_CDROM;
	refuse("pass the drive with --device");
}

static void what_is_no_disk_and_no_cd(void **state)
{
	(void)state;
	give(in_directory(1, "a"), DEVICE_DISK, false);
	put_cd(paths[1]);
	refuse("([device]) is an image of a CD or DVD (ISO), not of a disk");
	config->devices[0].as = DEVICE_CDROM;
	put_disk(paths[1]);
	refuse("neither an ISO 9660 nor a UDF");
	put(paths[1], 1 << 20, 0x8001, "BEA01");
	assert_int_equal(drives_open(config, &storage, &failure), 0);
	storage.n_drives = 0;
	disk_clear(&storage.drives[0].disk);
	unlink(paths[1]);
	assert_int_equal(mkfifo(paths[1], 0644), 0);
	refuse("is neither a file nor a drive");
	unlink(paths[1]);
	assert_int_equal(mkdir(paths[1], 0755), 0);
	refuse("is neither a file nor a drive");
	config->devices[0].as = DEVICE_DISK;
	config->devices[0].readonly = true;
	refuse("is a directory, not a disk image");
}

static void nothing_that_is_written_is_there_twice(void **state)
{
	(void)state;
	/* By another name. */
	give(in_directory(1, "link"), DEVICE_DISK, false);
	assert_int_equal(symlink(paths[0], paths[1]), 0);
	refuse("cannot be in the guest twice");
	storage.n_drives = 0;
	disk_clear(&storage.drives[0].disk);
	/* Only read, but the guest's own disk is not. */
	config->devices[0].readonly = true;
	refuse("cannot be in the guest twice");
	storage.n_drives = 0;
	disk_clear(&storage.drives[0].disk);
	/* Two sections. */
	unlink(paths[1]);
	put_disk(paths[1]);
	give(in_directory(2, "hard"), DEVICE_DISK, false);
	assert_int_equal(link(paths[1], paths[2]), 0);
	refuse("cannot be in the guest twice");
	storage_clear(&storage);
	assert_int_equal(disk_open(paths[0], "disk", true, &storage.disk, &failure), 0);
	/* Whoever only reads does not mind. */
	config->devices[1].readonly = true;
	assert_int_equal(drives_open(config, &storage, &failure), 0);
	assert_int_equal(storage.n_drives, 2);
}

static void too_many(void **state)
{
	(void)state;
	in_directory(1, "a.iso");
	put_cd(paths[1]);
	for (int i = 0; i <= DRIVES_MAX; i++)
		give(paths[1], DEVICE_CDROM, false);
	refuse("at most 25 disks and CDs");
	assert_int_equal(storage.n_drives, DRIVES_MAX);
}

/* All that is written is claimed, and nothing else. */
static void claims_of_all(void **state)
{
	(void)state;
	give(in_directory(1, "a.raw"), DEVICE_DISK, false);
	give(in_directory(2, "b.iso"), DEVICE_CDROM, false);
	give(in_directory(3, "c.raw"), DEVICE_DISK, true);
	for (size_t i = 1; i < 4; i++)
		put_disk(paths[i]);
	assert_int_equal(claims_take(&claims, config, &failure), 0);
	assert_true(claims.of[0].held && claims.of[1].held);
	assert_false(claims.of[2].held || claims.of[3].held);
	/* Again: it is ours. */
	assert_int_equal(claims_take(&claims, config, &failure), 0);
	/* A guest of another disk, with the same further one. */
	config->guest.disk = in_directory(4, "other.raw");
	put_disk(paths[4]);
	assert_int_equal(claims_take(&others, config, &failure), -EBUSY);
	assert_int_equal(failure.code, EXIT_UNAVAILABLE);
	assert_non_null(strstr(failure.text, paths[1]));
	assert_non_null(strstr(failure.text, "([device]) is in use by another container"));
	claims_drop(&claims);
	assert_int_equal(claims_take(&others, config, &failure), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_disk_and_no_cd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_that_is_written_is_there_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(claims_of_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
