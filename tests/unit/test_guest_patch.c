/* Changes to a domain XML: lists, stylesheets, and what neither may do. */
#include "init/guest/patch.h"
#include "init/guest/xml_read.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <libxml/parser.h>

static const char domain[] =
	"<domain type='kvm'>\n  <name>windows</name>\n  <uuid>1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b01</uuid>\n"
	"  <memory unit='KiB'>4194304</memory>\n  <devices>\n"
	"    <disk type='file'><source file='/a'/><target dev='sda' bus='sata'/></disk>\n"
	"    <disk type='file'><source file='/b'/><target dev='sdb' bus='sata'/></disk>\n"
	"    <video><model type='vga'/></video>\n  </devices>\n</domain>\n";

static char directory[64], file[96], reason[512];
static char *xml;

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-patch.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/patch", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(xml);
	xml = NULL;
	unlink(file);
	return rmdir(directory);
}

static int apply(const char *patch)
{
	autofclose FILE *out = fopen(file, "we");

	assert_non_null(out);
	assert_true(fputs(patch, out) >= 0);
	assert_int_equal(fflush(out), 0);
	free(xml);
	xml = strdup(domain);
	assert_non_null(xml);
	reason[0] = '\0';
	return patch_apply(file, &xml, sizeof(reason), reason);
}

static void expect(const char *path, const char *expected)
{
	autofree char *found = xml_find(xml, path);

	if (!found || !streq(found, expected))
		fail_msg("%s is \"%s\", not \"%s\", in\n%s", path, found ? found : "(nothing)", expected, xml);
}

static void expect_none(const char *path)
{
	autofree char *found = xml_find(xml, path);

	if (found)
		fail_msg("%s is \"%s\" in\n%s", path, found, xml);
}

static void refuse(const char *patch, const char *expected)
{
	if (apply(patch) == 0)
		fail_msg("\"%s\" made\n%s", patch, xml);
	if (!strstr(reason, expected))
		fail_msg("\"%s\": expected \"%s\", got \"%s\"", patch, expected, reason);
	/* What is refused has changed nothing. */
	assert_string_equal(xml, domain);
}

static void lists(void **state)
{
	(void)state;
	assert_int_equal(apply("# a comment\n\n"
			       "/domain/devices/video/model/@type = qxl\n"
			       "  /domain/memory/@unit=MiB \r\n"
			       "/domain/memory = 4096\n"
			       "/domain/memtune/hard_limit/@unit = MiB\n"
			       "/domain/memtune/hard_limit = 5000\n"
			       "/domain/devices/disk[target/@dev = 'sdb']/serial = a = b & <c>\n"
			       "delete /domain/devices/disk[target/@dev='sda']/source/@file\n"
			       "add /domain/devices <watchdog model='itco' action='reset'/>\n"
			       "add /domain/devices/disk[source/@file = '/b'] <readonly/><shareable/>\n"
			       "/domain/title = the last line has no end"),
			 0);
	expect("/domain/devices/video/model/@type", "qxl");
	expect("/domain/memory/@unit", "MiB");
	expect("/domain/memory", "4096");
	expect("/domain/memtune/hard_limit[@unit='MiB']", "5000");
	expect("/domain/devices/disk[2]/serial", "a = b & <c>");
	expect_none("/domain/devices/disk[1]/serial");
	expect_none("/domain/devices/disk[1]/source/@file");
	expect("/domain/devices/disk[2]/source/@file", "/b");
	expect("/domain/devices/watchdog/@action", "reset");
	expect("/domain/devices/disk[2]/readonly", "");
	expect("/domain/devices/disk[2]/shareable", "");
	expect("/domain/title", "the last line has no end");
}

static void every_match_is_changed(void **state)
{
	(void)state;
	assert_int_equal(apply("/domain/devices/disk/target/@bus = virtio\n/domain/devices/disk/serial = x\n"), 0);
	expect("/domain/devices/disk[1]/target/@bus", "virtio");
	expect("/domain/devices/disk[2]/target/@bus", "virtio");
	expect("/domain/devices/disk[1]/serial", "x");
	expect("/domain/devices/disk[2]/serial", "x");
	assert_int_equal(apply("delete //disk\ndelete /domain/devices/video | /domain/devices/video/model\n"), 0);
	expect_none("//disk");
	expect_none("//video");
}

static void mistakes_name_their_line(void **state)
{
	(void)state;
	refuse("\n/domain//// = 1\n", "line 2: \"/domain////\" is no XPath");
	refuse("/domain/[ = 1\n", "this is neither");
	refuse("/domain/memory = 1\n/domain/devices/disk[9]/serial[1] = 1\n", "line 2: \"/domain/devices/disk[9]/serial[1]\" finds nothing");
	refuse("/domain/devices/disk[9]/serial = 1\n", "finds nothing");
	refuse("//none = 1\n", "\"//none\" finds nothing");
	refuse("/elsewhere = 1\n", "\"/elsewhere\" finds nothing");
	refuse("memory = 1\n", "finds nothing");
	refuse("count(//disk) = 1\n", "finds neither elements nor attributes");
	refuse("/domain/memory/text() = 1\n", "finds neither elements nor attributes");
	refuse("/domain/devices = 1\n", "has elements in it, which a text would replace");
	refuse("/domain/memory/@unit/@x = 1\n", "is no element");
	refuse("delete /domain/none\n", "finds nothing");
	refuse("delete /domain\n", "is the whole domain");
	refuse("delete\n", "this is neither XPATH = VALUE nor");
	refuse("add /domain/devices\n", "there is no XML behind");
	refuse("add /domain/devices <a>\n", "is no XML");
	refuse("add /domain/devices/none <a/>\n", "finds nothing");
	refuse("add /domain/memory/@unit <a/>\n", "is no element");
	refuse("nonsense\n", "line 1: this is neither");
	refuse("/domain/name = other\n", "changes the guest's name");
	refuse("delete /domain/uuid\n", "changes the guest's UUID");
}

static void a_file_that_is_none(void **state)
{
	(void)state;
	xml = strdup(domain);
	assert_int_equal(patch_apply("/no/such/file", &xml, sizeof(reason), reason), -ENOENT);
	assert_non_null(strstr(reason, "No such file"));
	assert_true(patch_apply("/dev/zero", &xml, sizeof(reason), reason) < 0);
	assert_non_null(strstr(reason, "no text"));
}

#define SHEET(body) \
	"<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>" \
	"<xsl:template match='@*|node()'><xsl:copy><xsl:apply-templates select='@*|node()'/></xsl:copy></xsl:template>" \
	body "</xsl:stylesheet>"

static void stylesheets(void **state)
{
	(void)state;
	assert_int_equal(apply(SHEET("<xsl:template match='video/model/@type'><xsl:attribute name='type'>qxl</xsl:attribute>"
				     "</xsl:template><xsl:template match='disk[2]'/>")),
			 0);
	expect("/domain/devices/video/model/@type", "qxl");
	expect("/domain/devices/disk/source/@file", "/a");
	expect_none("/domain/devices/disk[2]");
	assert_int_equal(apply("\n <?xml version='1.0'?>" SHEET("")), 0);
	expect("/domain/name", "windows");
}

static void bad_stylesheets(void **state)
{
	(void)state;
	refuse("<xsl:stylesheet", "line 1: ");
	refuse("<a>\n\n</b>", "line 3: ");
	refuse(SHEET("<xsl:template match='['/>"), "");
	refuse(SHEET("<xsl:template match='/'/>"), "the stylesheet makes no document of it");
	refuse(SHEET("<xsl:template match='/'><xsl:message terminate='yes'>stop here</xsl:message></xsl:template>"), "stop here");
	refuse(SHEET("<xsl:template match='video'><xsl:call-template name='none'/></xsl:template>"), "none");
	refuse(SHEET("<xsl:template match='name'><name>other</name></xsl:template>"), "changes the guest's name");
}

/* Neither into the document nor out of it. */
static void stylesheets_are_locked_in(void **state)
{
	char patch[1024], other[128];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", directory);
	autofclose FILE *out = fopen(other, "we");
	assert_non_null(out);
	/* A good stylesheet, and a document with a word in it. */
	fputs("<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform' id='word'/>", out);
	fflush(out);
	snprintf(patch, sizeof(patch),
		 SHEET("<xsl:template match='video'><video><xsl:copy-of select='document(\"%s\")'/></video></xsl:template>"), other);
	assert_true(apply(patch) != 0 || !strstr(xml, "word"));
	snprintf(patch, sizeof(patch), SHEET("<xsl:include href='%s'/>"), other);
	assert_true(apply(patch) != 0);
	snprintf(patch, sizeof(patch), "<!DOCTYPE x [<!ENTITY e SYSTEM '%s'>]>" SHEET("<xsl:template match='video'><title>&e;</title></xsl:template>"), other);
	assert_true(apply(patch) != 0 || !strstr(xml, "word"));
	unlink(other);
	snprintf(patch, sizeof(patch),
		 "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform' "
		 "xmlns:e='http://exslt.org/common' extension-element-prefixes='e'><xsl:template match='/'>"
		 "<e:document href='%s'><a/></e:document><xsl:copy-of select='.'/></xsl:template></xsl:stylesheet>",
		 other);
	apply(patch);
	assert_int_equal(access(other, F_OK), -1);
	/* xsl:document, of the draft of XSLT 1.1, is known without any extension. */
	snprintf(patch, sizeof(patch),
		 "<xsl:stylesheet version='1.1' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:template match='/'>"
		 "<xsl:document href='%s'><a/></xsl:document><xsl:copy-of select='.'/></xsl:template></xsl:stylesheet>",
		 other);
	assert_true(apply(patch) != 0);
	assert_int_equal(access(other, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_match_is_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_name_their_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stylesheets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_stylesheets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stylesheets_are_locked_in, set_up, tear_down),
	};

	xmlInitParser();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
