/* A member more in a file of groups, and everything else as it was. */
#include "init/pid1/group_file.h"

#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static char directory[64], path[96];

static int enter(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_group_file.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/group", directory);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void adds(const char *before, gid_t gid, const char *user, const char *after)
{
	char text[1024];
	FILE *file = fopen(path, "we");
	size_t n;

	assert_non_null(file);
	assert_true(fputs(before, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(group_file_add(path, gid, user), 0);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_string_equal(text, after);
}

static void test_add(void **state)
{
	(void)state;
	adds("root:x:0:\nkvm:x:104:\n", 104, "qemu", "root:x:0:\nkvm:x:104:qemu\n");
	adds("kvm:x:104:a,b\nz:x:9:\n", 104, "qemu", "kvm:x:104:a,b,qemu\nz:x:9:\n");
	/* No such group; no line break at the end; another group whose number begins the same. */
	adds("root:x:0:", 104, "qemu", "root:x:0:\nhost-104:x:104:qemu\n");
	adds("big:x:1040:\n", 104, "qemu", "big:x:1040:\nhost-104:x:104:qemu\n");
	adds("", 5, "qemu", "host-5:x:5:qemu\n");
}

static void test_member_already(void **state)
{
	(void)state;
	adds("kvm:x:104:qemu\n", 104, "qemu", "kvm:x:104:qemu\n");
	adds("kvm:x:104:a,qemu,b\n", 104, "qemu", "kvm:x:104:a,qemu,b\n");
	adds("kvm:x:104:qemu2\n", 104, "qemu", "kvm:x:104:qemu2,qemu\n");
	adds("kvm:x:104:xqemu\n", 104, "qemu", "kvm:x:104:xqemu,qemu\n");
}

/* Two groups of one number: one of them is enough. What is no line of a group stays. */
static void test_odd_files(void **state)
{
	(void)state;
	adds("a:x:7:\nb:x:7:\n", 7, "u", "a:x:7:u\nb:x:7:\n");
	adds("# words\n\na:x:7\n:::\n", 7, "u", "# words\n\na:x:7\n:::\nhost-7:x:7:u\n");
}

static void test_no_file(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(group_file_add("/nonexistent/group", 1, "u"), -ENOENT);
	adds("a:x:7:\n", 8, "u", "a:x:7:\nhost-8:x:8:u\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_member_already),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
