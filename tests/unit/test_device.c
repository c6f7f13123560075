/* Device nodes, on nodes of the test's own: what is changed, what is refused, and what people are
 * told. Needs root. */
#include "init/pid1/device.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

/* A group that every Debian has. */
#define GROUP "daemon"

struct fixture {
	char directory[32];
	char path[48];
	char other[48];
	char text[512];
	struct device_config device;
	gid_t group;
};

static char group_name[] = GROUP;

static int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct group *group = getgrnam(GROUP);

	assert_non_null(f);
	assert_non_null(group);
	f->group = group->gr_gid;
	strcpy(f->directory, "/tmp/casement-test.XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/node", f->directory);
	snprintf(f->other, sizeof(f->other), "%s/other", f->directory);
	/* /dev/null under another name: every container may make and use it. */
	assert_int_equal(mknod(f->path, S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(chmod(f->path, 0600), 0);
	f->device = (struct device_config){ .path = f->path, .group = group_name, .mode = 0660 };
	*state = f;
	return 0;
}

static int leave(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	unlink(f->other);
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
	return 0;
}

/** is() - Group and mode of a node. */
static void is(const char *path, gid_t group, mode_t mode)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_gid, group);
	assert_int_equal(status.st_mode & 07777, mode);
	assert_int_equal(status.st_uid, 0);
}

/** says() - The message, behind the path. */
static void says(const struct fixture *f, const char *expected)
{
	size_t length = strlen(f->device.path);

	assert_int_equal(strncmp(f->text, f->device.path, length), 0);
	assert_string_equal(f->text + length, expected);
}

static void test_fix(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	is(f->path, f->group, 0660);
	assert_string_equal(f->text, "");
	/* Again: it is right already. */
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	is(f->path, f->group, 0660);
}

static void test_fix_one(void **state)
{
	struct fixture *f = *state;

	f->device.group = NULL;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	is(f->path, 0, 0660);
	f->device.group = group_name;
	f->device.mode = 0;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	is(f->path, f->group, 0660);
	f->device.group = NULL;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	is(f->path, f->group, 0660);
}

/* A file that the guest gets as a disk is none of PID 1's business. */
static void test_not_a_node(void **state)
{
	struct fixture *f = *state;

	f->device.path = (char[]){ "/etc/passwd" };
	f->device.group = NULL;
	f->device.mode = 0;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), 0);
	assert_string_equal(f->text, "");
}

static void test_missing(void **state)
{
	struct fixture *f = *state;
	char expected[128];

	unlink(f->path);
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ENOENT);
	says(f, ": No such file or directory");
	assert_int_equal(device_check(&f->device, f->text, sizeof(f->text)), -ENOENT);
	snprintf(expected, sizeof(expected), ": is missing: start the container with --device %s",
		 f->path);
	says(f, expected);
}

static void test_regular_file(void **state)
{
	struct fixture *f = *state;
	int fd;

	unlink(f->path);
	fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chmod(f->path, 0600), 0);
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ENODEV);
	says(f, ": is not a device");
	assert_int_equal(device_check(&f->device, f->text, sizeof(f->text)), -ENODEV);
	says(f, ": is not a device");
	is(f->path, 0, 0600);
}

static void test_directory(void **state)
{
	struct fixture *f = *state;

	f->device.path = f->directory;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ENODEV);
	says(f, ": is not a device");
	is(f->directory, 0, 0700);
}

/* A link may lead anywhere: neither it nor what it leads to is touched. */
static void test_symlink(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("node", f->other), 0);
	f->device.path = f->other;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ENODEV);
	says(f, ": is a symbolic link: name the device itself");
	assert_int_equal(device_check(&f->device, f->text, sizeof(f->text)), -ENODEV);
	says(f, ": is a symbolic link: name the device itself");
	is(f->path, 0, 0600);
	unlink(f->path);
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ENODEV);
}

static void test_unknown_group(void **state)
{
	struct fixture *f = *state;
	char nobody_has_it[] = "casement-no-such-group";

	f->device.group = nobody_has_it;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -ESRCH);
	says(f, ": there is no group casement-no-such-group");
	/* Half of it is not done either. */
	is(f->path, 0, 0600);
}

static void test_check(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(device_check(&f->device, f->text, sizeof(f->text)), 0);
	assert_string_equal(f->text, "");
	is(f->path, 0, 0600);
}

/* Who runs casement may not open it. */
static void test_no_permission(void **state)
{
	struct fixture *f = *state;
	char expected[128];

	assert_int_equal(chmod(f->directory, 0711), 0);
	assert_int_equal(seteuid(12345), 0);
	assert_int_equal(device_check(&f->device, f->text, sizeof(f->text)), -EACCES);
	snprintf(expected, sizeof(expected),
		 ": its permissions keep casement out: on the host, chmod a+rw %s", f->path);
	says(f, expected);
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -EPERM);
	says(f, ": its group cannot be changed: Operation not permitted");
	f->device.group = NULL;
	assert_int_equal(device_fix(&f->device, f->text, sizeof(f->text)), -EPERM);
	says(f, ": its mode cannot be changed: Operation not permitted");
	assert_int_equal(seteuid(0), 0);
	is(f->path, 0, 0600);
}

static void test_short_text(void **state)
{
	struct fixture *f = *state;
	char text[8] = "#######";

	unlink(f->path);
	for (size_t size = 1; size < sizeof(text); size++) {
		assert_int_equal(device_check(&f->device, text, size), -ENOENT);
		assert_int_equal(strlen(text), size - 1);
	}
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_fix),		  TEST(test_fix_one),	TEST(test_missing),
		TEST(test_not_a_node), TEST(test_regular_file),  TEST(test_directory), TEST(test_symlink),
		TEST(test_unknown_group), TEST(test_check),	TEST(test_no_permission),
		TEST(test_short_text),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
