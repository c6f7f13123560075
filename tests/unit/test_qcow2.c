/* Images that are written without qemu-img: qemu-img finds no fault in them, and reads in them what
 * was meant. */
#include "lib/qcow2.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define GIB (1ULL << 30)

static char directory[64], path[128], base[128];

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-qcow2.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/windows.qcow2", directory);
	snprintf(base, sizeof(base), "%s/base", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(base);
	return rmdir(directory);
}

/** shell() - Run it in the directory. @ret_output: what it said. Return: whether it was content. */
static bool shell(const char *command, size_t size, char *ret_output)
{
	char text[512];
	size_t n;
	FILE *pipe;

	snprintf(text, sizeof(text), "cd %s && %s 2>&1", directory, command);
	pipe = popen(text, "re"); /* NOLINT(cert-env33-c): the commands are below */
	assert_non_null(pipe);
	n = fread(ret_output, 1, size - 1, pipe);
	ret_output[n] = '\0';
	return pclose(pipe) == 0;
}

/** must() - It says @expected, among other things; NULL: whatever it says. */
static void must(const char *command, const char *expected)
{
	char output[4096];

	if (!shell(command, sizeof(output), output) || (expected && !strstr(output, expected)))
		fail_msg("%s: \"%s\" is not in: %s", command, expected ? expected : "", output);
}

static int make(uint64_t size, const char *backing, enum image_format format)
{
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return qcow2_write(fd, size, backing, format);
}

static void every_size(void **state)
{
	static const struct {
		uint64_t asked, made;
	} sizes[] = {
		{ 1, 512 },
		{ 512, 512 },
		{ 513, 1024 },
		{ GIB / 2, GIB / 2 },		  /* one L2 table */
		{ GIB / 2 + 512, GIB / 2 + 512 }, /* two */
		{ 40 * GIB, 40 * GIB },
		{ 4096 * GIB, 4096 * GIB }, /* a whole cluster of L1 entries */
		{ 4096 * GIB + 1, 4096 * GIB + 512 },
		{ 2048 * 1024 * GIB, 2048 * 1024 * GIB },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char expected[64];
		struct stat status;

		assert_int_equal(make(sizes[i].asked, NULL, IMAGE_RAW), 0);
		snprintf(expected, sizeof(expected), "\"virtual-size\": %llu,",
			 (unsigned long long)sizes[i].made);
		must("qemu-img info --output=json windows.qcow2", expected);
		must("qemu-img check -f qcow2 windows.qcow2", "No errors were found");
		/* Holes stay holes: not even the largest of them takes room. */
		assert_int_equal(stat(path, &status), 0);
		assert_in_range(status.st_blocks * 512, 0, 65536);
		assert_int_equal(status.st_size % 65536, 0);
	}
	assert_int_equal(make(2048 * 1024 * GIB + 1, NULL, IMAGE_RAW), -EFBIG);
	assert_int_equal(make(UINT64_MAX, NULL, IMAGE_RAW), -EFBIG);
}

/* Reading and writing, with what is allocated on the way, at the ends of it. */
static void an_overlay_is_one(void **state)
{
	(void)state;
	must("qemu-img create -q -f raw base 3G", NULL);
	must("qemu-io -f raw -c 'write -P 7 0 1M' -c 'write -P 8 2147483648 1M' base", NULL);
	assert_int_equal(make(3 * GIB, base, IMAGE_RAW), 0);
	must("qemu-img info --output=json windows.qcow2", "\"backing-filename-format\": \"raw\"");
	must("qemu-img compare -f qcow2 -F raw windows.qcow2 base", "Images are identical.");
	must("qemu-io -f qcow2 -c 'write -P 1 4k 4k' -c 'write -P 2 3221221376 4k' windows.qcow2",
	     NULL);
	must("qemu-io -f qcow2 -c 'read -P 7 0 4k' -c 'read -P 1 4k 4k' -c 'read -P 7 8k 4k' -c "
	     "'read -P 8 2G 1M' "
	     "-c 'read -P 2 3221221376 4k' windows.qcow2",
	     NULL);
	must("qemu-img check -f qcow2 windows.qcow2", "No errors were found");
}

/* Our own reader and QEMU agree on the name, up to the longest one. */
static void every_name(void **state)
{
	char name[IMAGE_NAME_MAX + 1];
	const size_t lengths[] = { 2, 7, 8, 9, IMAGE_NAME_MAX - 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint8_t head[4096];
		struct image image;
		const char *reason;
		autoclose int fd = -1;
		char expected[IMAGE_NAME_MAX + 32];
		struct stat status;

		memset(name, 'n', sizeof(name));
		name[0] = '/';
		name[lengths[i]] = '\0';
		assert_int_equal(make(GIB, name, i % 2 ? IMAGE_QCOW2 : IMAGE_RAW), 0);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
		assert_int_equal(fstat(fd, &status), 0);
		assert_int_equal(image_identify(head, sizeof(head), (uint64_t)status.st_size,
						&image, &reason),
				 0);
		assert_string_equal(image.backing, name);
		assert_int_equal(image.backing_format, i % 2 ? IMAGE_QCOW2 : IMAGE_RAW);
		assert_int_equal(image.virtual_size, GIB);
		snprintf(expected, sizeof(expected), "\"backing-filename\": \"%s\"", name);
		must("qemu-img info --output=json windows.qcow2", expected);
	}
	memset(name, 'n', sizeof(name));
	name[IMAGE_NAME_MAX] = '\0';
	assert_int_equal(make(GIB, name, IMAGE_RAW), -ENAMETOOLONG);
}

static void a_file_that_cannot_be_written(void **state)
{
	autoclose int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(qcow2_write(fd, GIB, NULL, IMAGE_RAW), -ENOSPC);
	assert_int_equal(qcow2_write(-1, GIB, NULL, IMAGE_RAW), -EBADF);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_size),
		TEST(an_overlay_is_one),
		TEST(every_name),
		TEST(a_file_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
