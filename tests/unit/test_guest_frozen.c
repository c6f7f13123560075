/*
 * Frozen guests on a real file system, with the real qemu-img and cp: what is found, what is written, what a clone refuses,
 * and that half of one is never taken for a whole one.
 */
#include "init/guest/frozen.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char uuid[] = "1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b01";

static char directory[64], images[96], base[128], link_path[160];
static char disk_path[128], nvram_path[128], tpm_path[128];
static struct storage storage;
static struct frozen frozen;
static struct frozen_facts facts;
static struct failure failure;
static char reason[512];

/* Up to 14 arguments, and NULL. */
static void run(const char *program, ...)
{
	char *argv[16] = { strdup(program) };
	va_list arguments;
	int status = -1;
	pid_t pid;

	va_start(arguments, program);
	for (size_t n = 1; n < 15 && (argv[n] = va_arg(arguments, char *)); n++)
		;
	va_end(arguments);
	pid = fork();
	if (pid == 0) {
		execv(program, argv);
		_exit(127);
	}
	free(argv[0]);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

static void put(const char *path, const char *text)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static const char *get(const char *path)
{
	static char text[4096];
	autofclose FILE *file = fopen(path, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return text;
}

static const char *in(const char *parent, const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, 256, "%s/%s", parent, name);
	return path;
}

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

/* A guest on an overlay on the base, with UEFI variables and a TPM. */
static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-frozen.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(images, sizeof(images), "%s/images", directory);
	snprintf(base, sizeof(base), "%s/windows.qcow2", images);
	snprintf(link_path, sizeof(link_path), "%s.frozen", base);
	snprintf(disk_path, sizeof(disk_path), "%s/disk", directory);
	snprintf(nvram_path, sizeof(nvram_path), "%s/VARS", directory);
	snprintf(tpm_path, sizeof(tpm_path), "%s/TPM", directory);
	if (mkdir(images, 0755) || mkdir(tpm_path, 0711))
		return -1;
	run("/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", base, "1M", NULL);
	run("/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", disk_path, NULL);
	put(nvram_path, "variables");
	put(in(tpm_path, "keys"), "keys");
	storage = (struct storage){ .nvram = nvram_path, .tpm = tpm_path };
	storage.disk.n = 2;
	storage.disk.links[0] = (struct disk_link){ .path = disk_path, .format = IMAGE_QCOW2 };
	storage.disk.links[1] = (struct disk_link){ .path = base, .format = IMAGE_QCOW2 };
	strcpy(storage.identity.uuid, uuid);
	facts = (struct frozen_facts){ .definition = 42, .qemu = 7002000, .libvirt = 9000000, .processor = "a kind of processor",
				       .address.s_addr = 0x4479a8c0 };
	failure = (struct failure){ .code = 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	frozen_clear(&frozen);
	run("/bin/rm", "-rf", directory, NULL);
	return 0;
}

/* What libvirt writes is written here. */
static int begin_and_seal(void)
{
	frozen_clear(&frozen);
	assert_int_equal(frozen_begin(base, &frozen, sizeof(reason), reason), 0);
	put(frozen.state, "memory and devices");
	return frozen_seal(&frozen, base, &storage, &facts, sizeof(reason), reason);
}

static void freeze(void)
{
	assert_int_equal(begin_and_seal(), 0);
	assert_int_equal(frozen_publish(&frozen, base, sizeof(reason), reason), 0);
}

/** is_found() - Is it the one with this number? */
static bool is_found(unsigned number)
{
	char path[256];
	struct frozen found;
	bool same;

	assert_int_equal(frozen_find(base, &found, &failure), 0);
	snprintf(path, sizeof(path), "%s-%u", link_path, number);
	same = streq(found.directory, path);
	frozen_clear(&found);
	return same;
}

static void nothing_is_found(void)
{
	struct frozen found;

	assert_int_equal(frozen_find(base, &found, &failure), -ENOENT);
	assert_int_equal(failure.code, 0); /* that is no mistake */
}

/* The frozen disk as it is opened for a clone. */
static int check_disk(char ret_uuid[static IDENTITY_UUID_SIZE])
{
	struct disk disk = { .n = 1, .links[0] = { .path = frozen.disk, .format = IMAGE_QCOW2 } };
	struct stat status;

	assert_int_equal(stat(frozen.disk, &status), 0);
	disk.links[0].size = (uint64_t)status.st_size;
	return frozen_check_disk(&frozen, &disk, ret_uuid, &failure);
}

static void expect_disk_refusal(int error, const char *words)
{
	char unused[IDENTITY_UUID_SIZE];

	assert_int_equal(check_disk(unused), error);
	assert_int_equal(failure.code, EXIT_CONFIG);
	if (!strstr(failure.text, words))
		fail_msg("\"%s\" instead of \"%s\"", failure.text, words);
}

static void flip(const char *path, off_t at)
{
	autoclose int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* Where a qcow2 image names what it is on; 0: it is on nothing. */
static bool has_base(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t offset;

	assert_int_equal(pread(fd, &offset, 8, 8), 8);
	return offset != 0;
}

static void where_there_is_none_nothing_is_wrong(void **state)
{
	(void)state;
	nothing_is_found();
}

static void a_link_to_nowhere_is_named(void **state)
{
	struct frozen found;

	(void)state;
	assert_int_equal(symlink("windows.qcow2.frozen-1", link_path), 0);
	assert_int_equal(frozen_find(base, &found, &failure), -EBADMSG);
	assert_non_null(strstr(failure.text, link_path));
	assert_non_null(strstr(failure.text, "leads nowhere"));
	unlink(link_path);
	assert_int_equal(symlink(link_path, link_path), 0);
	assert_int_equal(frozen_find(base, &found, &failure), -ELOOP);
	assert_non_null(strstr(failure.text, "cannot be opened"));
}

static void a_frozen_guest_is_whole(void **state)
{
	char found[IDENTITY_UUID_SIZE];

	(void)state;
	freeze();
	assert_true(is_found(1));
	assert_int_equal(check_disk(found), 0);
	assert_string_equal(found, uuid);
	assert_int_equal(frozen_check_state(&frozen), 0);
	assert_int_equal(frozen_fits(&frozen, &facts, sizeof(reason), reason), 0);
	assert_string_equal(get(frozen.nvram), "variables");
	assert_string_equal(get(in(frozen.tpm, "keys")), "keys");
	assert_true(has_base(frozen.disk));
}

static void what_the_guest_does_not_have_is_not_there(void **state)
{
	(void)state;
	unlink(nvram_path);
	run("/bin/rm", "-r", tpm_path, NULL);
	freeze();
	assert_false(exists(frozen.nvram) || exists(frozen.tpm));
}

/* The image would lack what is below the disk. */
static void what_is_not_in_the_image_is_copied(void **state)
{
	char elsewhere[128];

	(void)state;
	snprintf(elsewhere, sizeof(elsewhere), "%s/base", directory);
	assert_int_equal(rename(base, elsewhere), 0);
	run("/usr/bin/qemu-img", "rebase", "-u", "-f", "qcow2", "-b", elsewhere, "-F", "qcow2", disk_path, NULL);
	storage.disk.links[1].path = elsewhere;
	freeze();
	assert_false(has_base(frozen.disk));
	storage.disk.n = 1;
	freeze();
	assert_false(has_base(frozen.disk));
}

static void the_newest_one_counts_and_older_ones_stay(void **state)
{
	(void)state;
	freeze();
	facts.definition++;
	freeze();
	assert_true(is_found(2));
	assert_true(exists(in(images, "windows.qcow2.frozen-1/manifest")));
	assert_int_equal(frozen_fits(&frozen, &facts, sizeof(reason), reason), 0);
	assert_false(exists(in(images, "windows.qcow2.frozen.new")));
}

static void a_new_one_removes_what_was_never_finished(void **state)
{
	static const char *const others[] = { "windows.qcow2.frozen-2", "windows.qcow2.frozen-5.newer", "windows.qcow2.frozen-x.new",
					      "other.qcow2.frozen-9.new" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(mkdir(in(images, others[i]), 0755), 0);
	assert_int_equal(mkdir(in(images, "windows.qcow2.frozen-7.new"), 0755), 0);
	put(in(images, "windows.qcow2.frozen-7.new/state"), "half");
	assert_int_equal(frozen_begin(base, &frozen, sizeof(reason), reason), 0);
	assert_string_equal(frozen.directory, in(images, "windows.qcow2.frozen-3.new"));
	assert_false(exists(in(images, "windows.qcow2.frozen-7.new")));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(exists(in(images, others[i])));
	frozen_clear(&frozen);
	assert_int_equal(frozen_begin("/nowhere/windows.qcow2", &frozen, sizeof(reason), reason), -ENOENT);
	assert_non_null(strstr(reason, "/nowhere/windows.qcow2.frozen-1.new cannot be made"));
}

/* Killed at any point: the one before is found, or none. */
static void half_of_one_is_never_found(void **state)
{
	(void)state;
	assert_int_equal(begin_and_seal(), 0);
	nothing_is_found();
	/* Renamed, and the link not yet replaced. */
	assert_int_equal(rename(frozen.directory, in(images, "windows.qcow2.frozen-1")), 0);
	nothing_is_found();
	freeze();
	assert_true(is_found(2));
	assert_int_equal(begin_and_seal(), 0);
	assert_true(is_found(2));
	/* Nor is the link's own remainder in the way. */
	assert_int_equal(symlink("nowhere", in(images, "windows.qcow2.frozen.new")), 0);
	freeze();
	assert_true(is_found(3));
}

static void what_cannot_be_published_is_removed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(link_path, 0755), 0); /* in the place of the link */
	assert_int_equal(begin_and_seal(), 0);
	assert_true(frozen_publish(&frozen, base, sizeof(reason), reason) < 0);
	assert_non_null(strstr(reason, "cannot be published"));
	frozen_remove(&frozen);
	assert_false(exists(in(images, "windows.qcow2.frozen-1")) || exists(in(images, "windows.qcow2.frozen-1.new")) ||
		     exists(in(images, "windows.qcow2.frozen.new")));
}

static void a_seal_says_what_is_wrong(void **state)
{
	(void)state;
	storage.disk.links[0].path = (char[]){ "/nowhere/disk" };
	assert_true(begin_and_seal() < 0);
	assert_non_null(strstr(reason, "/nowhere/disk cannot be copied to"));
	assert_non_null(strstr(reason, "No such file"));
	storage.disk.links[0].path = disk_path;
	frozen_clear(&frozen);
	assert_int_equal(frozen_begin(base, &frozen, sizeof(reason), reason), 0);
	/* libvirt has written no state. */
	assert_int_equal(frozen_seal(&frozen, base, &storage, &facts, sizeof(reason), reason), -ENOENT);
	assert_non_null(strstr(reason, "cannot be completed"));
	assert_false(exists(frozen.manifest));
}

static void no_clone_is_made_on_another_disk(void **state)
{
	(void)state;
	freeze();
	flip(frozen.disk, 4096);
	expect_disk_refusal(-ESTALE, "is not the disk that was frozen");
	flip(frozen.disk, 4096);
	assert_int_equal(truncate(frozen.disk, 65536), 0);
	expect_disk_refusal(-ESTALE, "is not the disk that was frozen");
}

static void a_manifest_that_says_nothing_is_named(void **state)
{
	(void)state;
	freeze();
	assert_int_equal(truncate(frozen.manifest, 60), 0);
	expect_disk_refusal(-EBADMSG, "it is damaged, or of another casement");
	assert_int_equal(frozen_check_state(&frozen), -EBADMSG);
	assert_true(frozen_fits(&frozen, &facts, sizeof(reason), reason) < 0);
	put(frozen.manifest, "casement-frozen 2\n");
	expect_disk_refusal(-EBADMSG, "it is damaged, or of another casement");
	unlink(frozen.manifest);
	expect_disk_refusal(-ENOENT, "No such file");
}

static void expect_misfit(const char *words)
{
	reason[0] = '\0';
	assert_int_equal(frozen_fits(&frozen, &facts, sizeof(reason), reason), -ESTALE);
	if (!strstr(reason, words))
		fail_msg("\"%s\" instead of \"%s\"", reason, words);
}

static void everything_that_does_not_fit_is_explained(void **state)
{
	const struct frozen_facts good = facts;
	autofclose FILE *file = NULL;

	(void)state;
	freeze();
	facts.definition++;
	expect_misfit("the guest's configuration is another one");
	facts = good;
	facts.qemu++;
	expect_misfit("another version of QEMU");
	facts = good;
	facts.libvirt++;
	expect_misfit("another version of libvirt");
	facts = good;
	facts.processor = "a kind of processor that is longer";
	expect_misfit("another kind of processor");
	facts = good;
	facts.address.s_addr++;
	expect_misfit("another address");
	facts.qemu++; /* the first one counts */
	expect_misfit("another version of QEMU");
	facts = good;
	file = fopen(frozen.manifest, "ae");
	fputs("more\n", file);
	fflush(file);
	expect_misfit("damaged, or of another casement");
}

static void one_bit_of_the_state_is_enough(void **state)
{
	(void)state;
	freeze();
	flip(frozen.state, 7);
	assert_int_equal(frozen_check_state(&frozen), -EBADMSG);
	flip(frozen.state, 7);
	assert_int_equal(frozen_check_state(&frozen), 0);
	assert_int_equal(truncate(frozen.state, 17), 0);
	assert_int_equal(frozen_check_state(&frozen), -EBADMSG);
	unlink(frozen.state);
	assert_int_equal(frozen_check_state(&frozen), -ENOENT);
}

/* Of a guest before this one, whose disk is gone. */
static void what_is_unpacked_replaces_nothing(void **state)
{
	char old_nvram[160], old_tpm[160];

	(void)state;
	freeze();
	snprintf(old_nvram, sizeof(old_nvram), "%s.old", nvram_path);
	snprintf(old_tpm, sizeof(old_tpm), "%s.old", tpm_path);
	put(nvram_path, "another guest's");
	put(in(tpm_path, "keys"), "another guest's");
	assert_int_equal(frozen_unpack(&frozen, &storage, &failure), 0);
	assert_string_equal(get(nvram_path), "variables");
	assert_string_equal(get(in(tpm_path, "keys")), "keys");
	assert_string_equal(get(old_nvram), "another guest's");
	assert_string_equal(get(in(old_tpm, "keys")), "another guest's");
	/* Once more, as after a start that was cut off: there is something under both names. */
	assert_int_equal(frozen_unpack(&frozen, &storage, &failure), 0);
	assert_string_equal(get(nvram_path), "variables");
	assert_string_equal(get(in(old_tpm, "keys")), "keys");
	storage.nvram = (char[]){ "/nowhere/VARS" };
	assert_true(frozen_unpack(&frozen, &storage, &failure) < 0);
	assert_non_null(strstr(failure.text, "cannot be copied to /nowhere/VARS"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(where_there_is_none_nothing_is_wrong),
		TEST(a_link_to_nowhere_is_named),
		TEST(a_frozen_guest_is_whole),
		TEST(what_the_guest_does_not_have_is_not_there),
		TEST(what_is_not_in_the_image_is_copied),
		TEST(the_newest_one_counts_and_older_ones_stay),
		TEST(a_new_one_removes_what_was_never_finished),
		TEST(half_of_one_is_never_found),
		TEST(what_cannot_be_published_is_removed),
		TEST(a_seal_says_what_is_wrong),
		TEST(no_clone_is_made_on_another_disk),
		TEST(a_manifest_that_says_nothing_is_named),
		TEST(everything_that_does_not_fit_is_explained),
		TEST(one_bit_of_the_state_is_enough),
		TEST(what_is_unpacked_replaces_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
