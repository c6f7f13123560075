/* metadata.json of boxes: both forms, and what is refused. */
#include "image/member.h"
#include "image/metadata.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

static int parse(const char *text, struct metadata *ret_metadata, struct failure *failure)
{
	return metadata_parse(text, strlen(text), "x.box", ret_metadata, failure);
}

static void expect(const char *text, const char *disk, uint64_t gib)
{
	struct metadata metadata;
	struct failure failure = { .text = "" };

	if (parse(text, &metadata, &failure))
		fail_msg("%s: %s", text, failure.text);
	assert_string_equal(metadata.disk, disk);
	assert_int_equal(metadata.virtual_size, gib << 30);
}

static void expect_refusal(const char *text, const char *part)
{
	struct metadata metadata = { .disk = "untouched" };
	struct failure failure = { .text = "" };

	assert_int_equal(parse(text, &metadata, &failure), -EINVAL);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
	assert_int_equal(failure.code, EXIT_CONFIG);
	assert_string_equal(metadata.disk, "untouched");
}

static void reads_the_older_form(void **state)
{
	(void)state;
	expect("{\"provider\":\"libvirt\",\"format\":\"qcow2\",\"virtual_size\":40}", "box.img", 40);
	expect("{\"provider\":\"libvirt\",\"virtual_size\":\"40\"}", "box.img", 40);
	expect("{\"provider\":\"libvirt\",\"virtual_size\":39.1}", "box.img", 40);
	expect("{\"provider\":\"libvirt\"}", "box.img", 0);
	expect("{\"provider\":\"libvirt\",\"disks\":[],\"virtual_size\":null}", "box.img", 0);
}

static void reads_the_newer_form(void **state)
{
	(void)state;
	expect("{\"provider\":\"libvirt\",\"disks\":[{\"path\":\"a.qcow2\",\"format\":\"qcow2\","
	       "\"virtual_size\":127}]}",
	       "a.qcow2", 127);
	expect("{\"provider\":\"libvirt\",\"disks\":[{\"path\":\"./d/a.img\"}]}", "d/a.img", 0);
}

static void refuses_other_boxes(void **state)
{
	(void)state;
	expect_refusal("{\"provider\":\"virtualbox\"}", "is a box for virtualbox");
	expect_refusal("{\"format\":\"qcow2\"}", "names no provider");
	expect_refusal("{\"provider\":17}", "names no provider");
	expect_refusal("{\"provider\":\"libvirt\",\"format\":\"vmdk\"}", "has the format vmdk");
	expect_refusal("{\"provider\":\"libvirt\",\"disks\":[{\"path\":\"a\"},{\"path\":\"b\"}]}", "has 2 disks");
}

static void refuses_damage(void **state)
{
	static const char *const paths[] = { "/etc/shadow", "../a", "a/../../b", "..", ".", "./", "" };
	char text[512];

	(void)state;
	expect_refusal("", "is not JSON");
	expect_refusal("[", "is not JSON");
	expect_refusal("[]", "names no provider");
	expect_refusal("{\"provider\":\"libvirt\",\"virtual_size\":-1}", "is no size in GiB");
	expect_refusal("{\"provider\":\"libvirt\",\"virtual_size\":1e300}", "is no size in GiB");
	expect_refusal("{\"provider\":\"libvirt\",\"virtual_size\":\"many\"}", "is no size in GiB");
	expect_refusal("{\"provider\":\"libvirt\",\"virtual_size\":{}}", "is no size in GiB");
	expect_refusal("{\"provider\":\"libvirt\",\"disks\":[7]}", "does not name the disk");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(text, sizeof(text), "{\"provider\":\"libvirt\",\"disks\":[{\"path\":\"%s\"}]}", paths[i]);
		expect_refusal(text, "does not name the disk");
	}
	snprintf(text, sizeof(text), "{\"provider\":\"libvirt\",\"disks\":[{\"path\":\"%0300d\"}]}", 0);
	expect_refusal(text, "does not name the disk");
}

static void knows_members(void **state)
{
	(void)state;
	assert_string_equal(member_name("./box.img"), "box.img");
	assert_string_equal(member_name(".//./box.img"), "box.img");
	assert_string_equal(member_name("./"), "");
	assert_string_equal(member_name("."), "");
	assert_string_equal(member_name("..x"), "..x");
	assert_null(member_refusal("./box.img", S_IFREG, false));
	assert_null(member_refusal("a..b/..c", S_IFREG, false));
	assert_null(member_refusal("./", S_IFDIR, false));
	assert_non_null(member_refusal("/box.img", S_IFREG, false));
	assert_non_null(member_refusal("../box.img", S_IFREG, false));
	assert_non_null(member_refusal("a/..", S_IFDIR, false));
	assert_non_null(member_refusal("box.img", S_IFREG, true));
	assert_non_null(member_refusal("box.img", S_IFLNK, false));
	assert_non_null(member_refusal("box.img", S_IFCHR, false));
	assert_non_null(member_refusal("box.img", S_IFIFO, false));
	assert_non_null(member_refusal("box.img", 0, false));
	assert_non_null(member_refusal(NULL, S_IFREG, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_older_form), cmocka_unit_test(reads_the_newer_form),
		cmocka_unit_test(refuses_other_boxes),	cmocka_unit_test(refuses_damage),
		cmocka_unit_test(knows_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
