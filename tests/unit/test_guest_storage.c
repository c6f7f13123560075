/*
 * The guest's storage on a real file system: what is used, what is made, what is refused, and that nothing is ever
 * overwritten. Images are made by the real qemu-img.
 */
#include "init/guest/access.h"
#include "lib/publish.h"
#include "init/guest/storage.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[64], disk_path[128], base_path[128];
static struct guest_config config = { .name = (char[]){ "windows" }, .disk = disk_path, .base = base_path };
static struct storage storage;
static struct failure failure;

/* Up to 14 arguments, and NULL. Return: 0 when the program said that all is well. */
static int run(const char *program, ...)
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
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static void put(const char *path, const char *text, size_t size)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
}

static void make_image(const char *path, const char *format)
{
	assert_int_equal(run("/usr/bin/qemu-img", "create", "-q", "-f", format, path, "64M", NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-storage.XXXXXX");
	if (!mkdtemp(directory) || chmod(directory, 0755))
		return -1;
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", directory);
	snprintf(base_path, sizeof(base_path), "%s/base.qcow2", directory);
	failure = (struct failure){ .code = 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	storage_clear(&storage);
	config.in_place = false;
	return run("/bin/rm", "-rf", directory, NULL);
}

static int prepare(void)
{
	storage_clear(&storage);
	return storage_prepare(&config, &storage, &failure);
}

static void expect_refusal(const char *part)
{
	assert_true(prepare() < 0);
	assert_int_equal(failure.code, EXIT_CONFIG);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
}


static struct stat look(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status;
}

static void assert_untouched(const char *path, const struct stat *before)
{
	struct stat now = look(path);

	assert_int_equal(now.st_ino, before->st_ino);
	assert_int_equal(now.st_size, before->st_size);
	assert_int_equal(now.st_uid, before->st_uid);
	assert_memory_equal(&now.st_mtim, &before->st_mtim, sizeof(now.st_mtim));
	assert_memory_equal(&now.st_ctim, &before->st_ctim, sizeof(now.st_ctim));
}

static void nothing_there_says_what_to_mount(void **state)
{
	(void)state;
	expect_refusal("-v /path:/");
	assert_non_null(strstr(failure.text, disk_path));
	assert_non_null(strstr(failure.text, base_path));
	assert_int_equal(rmdir(directory), 0); /* and left nothing */
	assert_int_equal(mkdir(directory, 0755), 0);
}

static void a_disk_is_used_as_it_is(void **state)
{
	static const char *const formats[] = { "qcow2", "raw" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		char uuid_path[160];
		struct stat before;

		make_image(disk_path, formats[i]);
		before = look(disk_path);
		assert_int_equal(prepare(), 0);
		assert_untouched(disk_path, &before);
		assert_string_equal(image_format_name(storage.disk.links[0].format), formats[i]);
		assert_int_equal(storage.disk.n, 1);
		assert_int_equal(storage.disk.virtual_size, 64 << 20);
		snprintf(uuid_path, sizeof(uuid_path), "%s.uuid", disk_path);
		assert_int_equal(unlink(uuid_path), 0);
		assert_int_equal(unlink(disk_path), 0);
	}
}

static void a_missing_disk_becomes_an_overlay(void **state)
{
	struct stat before;

	(void)state;
	make_image(base_path, "qcow2");
	before = look(base_path);
	assert_int_equal(prepare(), 0);
	assert_untouched(base_path, &before);
	assert_int_equal(storage.disk.n, 2);
	assert_string_equal(storage.disk.links[0].path, disk_path);
	assert_string_equal(storage.disk.links[1].path, base_path);
	assert_int_equal(storage.disk.links[1].size, before.st_size);
	assert_int_equal(storage.disk.virtual_size, 64 << 20);
	assert_in_range(look(disk_path).st_blocks * 512, 0, 1 << 20); /* under 1 MB before the guest writes */
	assert_int_equal(run("/usr/bin/qemu-img", "check", "-q", disk_path, NULL), 0);
	/* The second time it is a disk that exists. */
	before = look(disk_path);
	assert_int_equal(prepare(), 0);
	assert_untouched(disk_path, &before);
}

/* The record beside the disk: of the base that is there when the disk is made, and no other. */
static void an_overlay_is_never_put_on_another_base(void **state)
{
	const struct timespec touched[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char record[160];

	(void)state;
	snprintf(record, sizeof(record), "%s.base", disk_path);
	make_image(base_path, "qcow2");
	assert_int_equal(prepare(), 0);
	assert_int_equal(utimensat(AT_FDCWD, base_path, touched, 0), 0);
	assert_int_equal(prepare(), 0);
	/* Somebody booted it. */
	assert_int_equal(run("/usr/bin/qemu-io", "-c", "write 1M 4k", "-f", "qcow2", base_path, NULL), 0);
	expect_refusal("which is not the image that it was made on");
	assert_non_null(strstr(failure.text, record));
	/* A new disk knows nothing of the old one. */
	assert_int_equal(unlink(disk_path), 0);
	assert_int_equal(prepare(), 0);
	assert_int_equal(prepare(), 0);
}

static void a_chain_is_followed_by_relative_names_too(void **state)
{
	char middle[128];

	(void)state;
	snprintf(middle, sizeof(middle), "%s/middle.qcow2", directory);
	make_image(base_path, "raw");
	assert_int_equal(run("/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "raw", middle, NULL), 0);
	assert_int_equal(run("/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", disk_path, NULL), 0);
	assert_int_equal(prepare(), 0);
	assert_int_equal(storage.disk.n, 3);
	assert_string_equal(storage.disk.links[2].path, base_path);
	assert_int_equal(storage.disk.links[2].format, IMAGE_RAW);
	/* A link that is missing is named. */
	assert_int_equal(unlink(base_path), 0);
	expect_refusal("base.qcow2 ([guest] disk) does not exist");
}

static void a_circle_ends(void **state)
{
	(void)state;
	make_image(disk_path, "qcow2");
	assert_int_equal(run("/usr/bin/qemu-img", "rebase", "-u", "-f", "qcow2", "-b", disk_path, "-F", "qcow2", disk_path, NULL), 0);
	expect_refusal("images below it");
}

static void the_uuid_stays(void **state)
{
	char first[IDENTITY_UUID_SIZE];

	(void)state;
	make_image(disk_path, "qcow2");
	assert_int_equal(prepare(), 0);
	memcpy(first, storage.identity.uuid, sizeof(first));
	assert_int_equal(strlen(first), 36);
	assert_int_equal(first[14], '4');
	assert_int_equal(prepare(), 0);
	assert_string_equal(storage.identity.uuid, first);
}

static void a_broken_uuid_is_not_replaced(void **state)
{
	static const char *const broken[] = { "", "x\n", "65b0d659-cb0d-4bfa-b051-63da0018c75", "65b0d659-cb0d-4bfa-b051-63da0018c75e\nvmdk\n" };
	char path[160];

	(void)state;
	make_image(disk_path, "qcow2");
	snprintf(path, sizeof(path), "%s.uuid", disk_path);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct stat before;

		put(path, broken[i], strlen(broken[i]));
		before = look(path);
		expect_refusal("does not hold a UUID");
		assert_untouched(path, &before);
	}
	/* One that somebody else brought, without a format, is taken. */
	put(path, "65B0D659-CB0D-4BFA-B051-63DA0018C75E\n", 37);
	assert_int_equal(prepare(), 0);
	assert_string_equal(storage.identity.uuid, "65B0D659-CB0D-4BFA-B051-63DA0018C75E");
}

/* A guest may write a qcow2 header into its raw disk that names any file of the container. */
static void a_raw_disk_does_not_turn_into_qcow2(void **state)
{
	(void)state;
	make_image(disk_path, "raw");
	assert_int_equal(prepare(), 0);
	make_image(disk_path, "qcow2");
	expect_refusal("was raw and is qcow2 now");
}

static void refuses_what_is_no_disk(void **state)
{
	static const struct {
		const char bytes[8]; /* the first ones; zeroes follow */
		size_t size;
		const char *reason;
	} files[] = {
		{ "", 0, "is empty" },
		{ "QFI\xfb\0\0\0\3", 8, "truncated" },
		{ "\x1f\x8b\x08 box", 512, "gzip" },
		{ "KDMV", 1024, "VMDK" },
		{ "what", 4, "is no disk" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char bytes[1024] = { 0 };
		struct stat before;

		memcpy(bytes, files[i].bytes, sizeof(files[i].bytes));
		put(disk_path, bytes, files[i].size);
		before = look(disk_path);
		expect_refusal(files[i].reason);
		assert_untouched(disk_path, &before);
	}
	assert_int_equal(unlink(disk_path), 0);
	assert_int_equal(mkdir(disk_path, 0755), 0);
	expect_refusal("Is a directory"); /* the kernel's words: it cannot be opened for writing */
	assert_int_equal(rmdir(disk_path), 0);
	assert_int_equal(mkfifo(disk_path, 0644), 0);
	expect_refusal("a special file");
	assert_int_equal(unlink(disk_path), 0);
	assert_int_equal(symlink("/dev/null", disk_path), 0);
	expect_refusal("a special file");
}

/* [guest] in-place: the configuration has made the source the disk. */
static void a_source_is_used_in_place(void **state)
{
	struct stat before;

	(void)state;
	config.in_place = true;
	make_image(base_path, "qcow2");
	expect_refusal("([guest] source) does not exist");
	assert_int_equal(access(disk_path, F_OK), -1);
	put(disk_path, "KDMV\0\0\0", 8);
	before = look(disk_path);
	expect_refusal("without [guest] in-place it is imported");
	assert_untouched(disk_path, &before);
	make_image(disk_path, "raw");
	before = look(disk_path);
	assert_int_equal(prepare(), 0);
	assert_untouched(disk_path, &before);
	assert_int_equal(storage.disk.n, 1);
	assert_int_equal(unlink(disk_path), 0);
	assert_int_equal(run("/usr/bin/qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", disk_path, "8M", NULL), 0);
	before = look(disk_path);
	expect_refusal("without [guest] in-place it is imported");
	assert_untouched(disk_path, &before);
}

/* QEMU would take its footer for the guest's last sector. */
static void a_fixed_vhd_is_no_raw_disk(void **state)
{
	(void)state;
	assert_int_equal(run("/usr/bin/qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", disk_path, "8M", NULL), 0);
	expect_refusal("is a VHD image");
}

static void a_disk_that_its_owner_cannot_write_is_refused(void **state)
{
	(void)state;
	make_image(disk_path, "qcow2");
	assert_int_equal(chmod(disk_path, 0444), 0);
	expect_refusal("may not be written by its owner");
	assert_int_equal(chmod(disk_path, 0644), 0);
	assert_int_equal(prepare(), 0);
}

static void a_truncated_base_makes_no_overlay(void **state)
{
	(void)state;
	make_image(base_path, "qcow2");
	assert_int_equal(truncate(base_path, 100000), 0);
	expect_refusal("the base image");
	assert_non_null(strstr(failure.text, "truncated"));
	assert_int_equal(access(disk_path, F_OK), -1);
}

static void the_directory_must_exist(void **state)
{
	(void)state;
	make_image(base_path, "qcow2");
	snprintf(disk_path, sizeof(disk_path), "%s/not/there.qcow2", directory);
	expect_refusal("mount a volume there");
}

static void publish_never_replaces(void **state)
{
	autofree char *temporary = NULL;
	struct stat before;

	(void)state;
	put(disk_path, "precious", 8);
	before = look(disk_path);
	assert_int_equal(publish_temporary(disk_path, &temporary), 0);
	assert_int_equal(publish(temporary, disk_path), -EEXIST);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_untouched(disk_path, &before);
}

static void remains_are_swept_when_old(void **state)
{
	autofree char *old = NULL, *young = NULL, *last = NULL;
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	(void)state;
	assert_int_equal(publish_temporary(disk_path, &old), 0);
	assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
	assert_int_equal(publish_temporary(disk_path, &young), 0);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(publish_temporary(disk_path, &last), 0);
	assert_int_equal(access(young, F_OK), 0);
}

/* The kernel is asked as that user; afterwards this thread is itself again. */
static void access_is_tried_as_the_user(void **state)
{
	(void)state;
	assert_int_equal(geteuid(), 0); /* only root can try as somebody else: run the tests as root */
	make_image(base_path, "raw");
	assert_int_equal(access_as("nobody", base_path, ACCESS_READ), 0);
	assert_int_equal(chmod(base_path, 0600), 0);
	assert_int_equal(access_as("nobody", base_path, ACCESS_READ), -EACCES);
	assert_int_equal(access_as("nobody", base_path, ACCESS_REACH), 0);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(access_as("nobody", base_path, ACCESS_REACH), -EACCES);
	assert_int_equal(access_as("root", base_path, ACCESS_READ), 0);
	assert_int_equal(access_as("no-such-user", base_path, ACCESS_READ), 0);
	assert_int_equal(access(base_path, R_OK | W_OK), 0);
	/* The capabilities are back. */
	assert_int_equal(chown(base_path, 1, 1), 0);
	assert_int_equal(access_as("root", base_path, ACCESS_READ), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_there_says_what_to_mount),
		TEST(a_disk_is_used_as_it_is),
		TEST(a_missing_disk_becomes_an_overlay),
		TEST(an_overlay_is_never_put_on_another_base),
		TEST(a_chain_is_followed_by_relative_names_too),
		TEST(a_circle_ends),
		TEST(the_uuid_stays),
		TEST(a_broken_uuid_is_not_replaced),
		TEST(a_raw_disk_does_not_turn_into_qcow2),
		TEST(a_fixed_vhd_is_no_raw_disk),
		TEST(refuses_what_is_no_disk),
		TEST(a_source_is_used_in_place),
		TEST(a_disk_that_its_owner_cannot_write_is_refused),
		TEST(a_truncated_base_makes_no_overlay),
		TEST(the_directory_must_exist),
		TEST(publish_never_replaces),
		TEST(remains_are_swept_when_old),
		TEST(access_is_tried_as_the_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
