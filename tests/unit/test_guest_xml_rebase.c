/* A saved domain's XML, and what becomes of its disks. */
#include "init/guest/xml_rebase.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#define PATH "/storage/windows.qcow2"

/* As libvirt saves it: another disk first, and the images that were below ours. */
static const char saved[] =
	"<domain type='kvm' id='1'><name>windows</name><uuid>u</uuid><devices>"
	"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/></disk>"
	"<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' io='native'/>"
	"<source file='/data/other.qcow2'/><backingStore type='file'><format type='raw'/><source file='/data/base'/>"
	"<backingStore/></backingStore><target dev='sdb' bus='sata'/></disk>"
	"<disk type='file' device='disk'><driver name='qemu' type='qcow2' error_policy='stop'/>"
	"<source file='" PATH "' index='1'/>"
	"<backingStore type='file' index='2'><format type='qcow2'/><source file='/images/old'/>"
	"<backingStore type='file' index='3'><format type='raw'/><source file='/images/older'/><backingStore/></backingStore>"
	"</backingStore><target dev='sda' bus='sata'/><boot order='1'/></disk>"
	"</devices></domain>";

static struct disk disk;
static xmlDoc *document;

static int set_up(void **state)
{
	static char path[] = PATH, base[] = "/images/a & b", device[] = "/dev/base";

	(void)state;
	disk = (struct disk){ .n = 3 };
	disk.links[0] = (struct disk_link){ .path = path, .format = IMAGE_QCOW2 };
	disk.links[1] = (struct disk_link){ .path = base, .format = IMAGE_QCOW2 };
	disk.links[2] = (struct disk_link){ .path = device, .format = IMAGE_RAW, .block = true };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	xmlFreeDoc(document);
	document = NULL;
	return 0;
}

static void rebase(void)
{
	char *xml;

	assert_int_equal(xml_rebase(saved, &disk, &xml), 0);
	xmlFreeDoc(document);
	document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
	assert_non_null(document);
	free(xml);
}

/* @xpath as a string, or a number as one. */
static void has(const char *xpath, const char *expected)
{
	xmlXPathContext *context = xmlXPathNewContext(document);
	xmlXPathObject *object = xmlXPathEvalExpression((const xmlChar *)xpath, context);
	xmlChar *text;

	assert_non_null(object);
	text = xmlXPathCastToString(object);
	if (!streq((const char *)text, expected))
		fail_msg("%s: \"%s\" instead of \"%s\"", xpath, (const char *)text, expected);
	xmlFree(text);
	xmlXPathFreeObject(object);
	xmlXPathFreeContext(context);
}

#define OURS "/domain/devices/disk[source/@file='" PATH "']"
#define OTHER "/domain/devices/disk[source/@file='/data/other.qcow2']"

static void the_images_below_it_are_those_of_here(void **state)
{
	(void)state;
	rebase();
	has("count(" OURS "/backingStore)", "1");
	has(OURS "/backingStore/@type", "file");
	has(OURS "/backingStore/format/@type", "qcow2");
	has(OURS "/backingStore/source/@file", "/images/a & b");
	has(OURS "/backingStore/backingStore/@type", "block");
	has(OURS "/backingStore/backingStore/format/@type", "raw");
	has(OURS "/backingStore/backingStore/source/@dev", "/dev/base");
	/* The end of it is said, so that nobody looks for more in the image. */
	has("count(" OURS "/backingStore/backingStore/backingStore)", "1");
	has("count(" OURS "/backingStore/backingStore/backingStore/node())", "0");
	/* libvirt gives none of them to QEMU's user. */
	has("count(" OURS "//backingStore/source/seclabel[@model='dac'][@relabel='no'])", "2");
	has("count(//source[@file='/images/old' or @file='/images/older'])", "0");
	disk.n = 1;
	rebase();
	has("count(" OURS "/backingStore)", "1");
	has("count(" OURS "/backingStore/node())", "0");
}

static void nothing_else_is_changed(void **state)
{
	(void)state;
	rebase();
	has("/domain/name", "windows");
	has("count(/domain/devices/disk)", "3");
	has(OURS "/target/@dev", "sda");
	has(OURS "/boot/@order", "1");
	has(OURS "/driver/@error_policy", "stop");
	has(OTHER "/backingStore/source/@file", "/data/base");
	has(OTHER "/driver/@cache", "none");
	has("count(" OTHER "//seclabel)", "0");
	has("count(/domain/devices/disk[@device='cdrom']/driver/@cache)", "0");
}

static void it_is_cached_as_it_has_to_be_here(void **state)
{
	(void)state;
	rebase();
	has("count(" OURS "/driver/@cache)", "0");
	disk.direct = true;
	rebase();
	has(OURS "/driver/@cache", "none");
	/* Of one that had it, on a file system that cannot do it. */
	disk.links[0].path = (char[]){ "/data/other.qcow2" };
	disk.direct = false;
	rebase();
	has("count(" OTHER "/driver/@cache)", "0");
	has(OTHER "/driver/@io", "native");
}

static void another_disk_is_none(void **state)
{
	char *xml = NULL;

	(void)state;
	assert_int_equal(xml_rebase("no XML", &disk, &xml), -EBADMSG);
	assert_int_equal(xml_rebase("<domain/>", &disk, &xml), -EBADMSG);
	assert_int_equal(xml_rebase("<domain><devices/></domain>", &disk, &xml), -EBADMSG);
	disk.links[0].path = (char[]){ "/storage/linux.qcow2" };
	assert_int_equal(xml_rebase(saved, &disk, &xml), -EBADMSG);
	assert_null(xml);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_images_below_it_are_those_of_here),
		TEST(nothing_else_is_changed),
		TEST(it_is_cached_as_it_has_to_be_here),
		TEST(another_disk_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
