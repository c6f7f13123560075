/* What a source is, what progress looks like, what is left of zeros, and gzip's ends. */
#include "image/progress.h"
#include "image/source.h"
#include "image/sparse.h"
#include "image/stream.h"
#include "image/target.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static uint8_t head[IMAGE_HEAD_SIZE], tail[512];

static int kind_of(uint64_t size, enum source_kind *kind, const char **format, struct failure *failure)
{
	*format = "";
	return source_kind_of(head, sizeof(head), tail, size, "x", kind, format, failure);
}

static void recognises_sources(void **state)
{
	static const struct {
		size_t at;
		const char *magic;
		enum source_kind kind;
		const char *format;
	} sources[] = {
		{ 0, "QFI\xfb", SOURCE_QCOW2, "" },
		{ 0, "KDMV\1", SOURCE_FOREIGN, "vmdk" },
		{ 0, "vhdxfile", SOURCE_FOREIGN, "vhdx" },
		{ 0, "conectix", SOURCE_FOREIGN, "vpc" },
		{ 0x40, "\x7f\x10\xda\xbe", SOURCE_FOREIGN, "vdi" },
		{ 0, "\x1f\x8b\x08", SOURCE_BOX_GZIP, "" },
		{ 257, "ustar", SOURCE_BOX, "" },
		{ 510, "\x55\xaa", SOURCE_FOREIGN, "raw" },
	};
	enum source_kind kind;
	const char *format;
	struct failure failure;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		memset(head, 0, sizeof(head));
		head[12] = 1; /* a VMDK's capacity */
		memcpy(head + sources[i].at, sources[i].magic, strlen(sources[i].magic));
		memcpy(tail, head, 8); /* a VHD ends as it begins */
		assert_int_equal(kind_of(sizeof(head), &kind, &format, &failure), 0);
		assert_int_equal(kind, sources[i].kind);
		assert_string_equal(format, sources[i].format);
	}
	/* A fixed VHD says so at its end only. */
	memset(head, 0, sizeof(head));
	memcpy(tail, "conectix", 8);
	assert_int_equal(kind_of(sizeof(head) + 512, &kind, &format, &failure), 0);
	assert_string_equal(format, "vpc");
	memset(tail, 0, sizeof(tail));
}

static void expect_refusal(uint64_t size, const char *part)
{
	enum source_kind kind;
	const char *format;
	struct failure failure;

	assert_int_equal(kind_of(size, &kind, &format, &failure), -EINVAL);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
}

static void refuses_what_is_no_disk(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	expect_refusal(sizeof(head), "no boot sector");
	expect_refusal(sizeof(head) + 1, "not a multiple of 512");
	memcpy(head + 0x8001, "CD001", 5);
	expect_refusal(sizeof(head), "ISO");
	memset(head, 0, sizeof(head));
	memcpy(head, "# Disk DescriptorFile\n", 22);
	expect_refusal(sizeof(head), "descriptor of a VMDK");
	/* One that has the descriptor inside of it, and no capacity, names files, too. */
	memset(head, 0, sizeof(head));
	memcpy(head, "KDMV\1", 5);
	expect_refusal(sizeof(head), "descriptor of a VMDK");
	memcpy(head, "conectix", 8);
	expect_refusal(sizeof(head), "truncated VHD");
	memcpy(tail, "conectix", 8);
	tail[63] = 4;
	expect_refusal(sizeof(head), "differencing");
	memset(tail, 0, sizeof(tail));
	memcpy(head, "PK\x03\x04", 4);
	expect_refusal(sizeof(head), "zip");
}

static void notices_missing_sectors(void **state)
{
	enum source_kind kind;
	const char *format;
	struct failure failure;

	(void)state;
	memset(head, 0, sizeof(head));
	head[510] = 0x55;
	head[511] = 0xaa;
	head[446 + 4] = 7;   /* NTFS */
	head[446 + 8] = 64;  /* first sector */
	head[446 + 12] = 64; /* how many */
	assert_int_equal(kind_of(128 * 512, &kind, &format, &failure), 0);
	expect_refusal(127 * 512, "truncated disk");
	/* No table, but the code of a boot sector. */
	head[446] = 0x0f;
	assert_int_equal(kind_of(127 * 512, &kind, &format, &failure), 0);
	memcpy(head + 512, "EFI PART", 8);
	head[512 + 32] = 127; /* the other header's sector */
	assert_int_equal(kind_of(128 * 512, &kind, &format, &failure), 0);
	expect_refusal(127 * 512, "truncated disk");
	memset(head, 0, sizeof(head));
	memcpy(head + 0x40, "\x7f\x10\xda\xbe", 4);
	head[0x15a] = 1; /* data at 64 kB */
	head[0x17a] = 1; /* blocks of 64 kB */
	head[0x184] = 1; /* one block */
	assert_int_equal(kind_of(128 << 10, &kind, &format, &failure), 0);
	expect_refusal((128 << 10) - 1, "truncated VDI");
}

static void text_is(const struct progress *progress, int64_t now, const char *expected)
{
	char text[256];

	progress_text(progress, now, sizeof(text), text);
	assert_string_equal(text, expected);
}

static void shows_progress(void **state)
{
	struct progress progress = { .what = "importing", .bytes = true, .total = 4ULL << 30 };
	char text[256];

	(void)state;
	progress_sample(&progress, 0);
	text_is(&progress, 0, "importing: 0 %, 0.0 of 4.0 GiB");
	progress.done = 1ULL << 30;
	text_is(&progress, 8000, "importing: 25 %, 1.0 of 4.0 GiB, 128 MiB/s, 24 s left");
	progress_bar(&progress, 8000, 100, sizeof(text), text);
	assert_string_equal(text, "importing [==========>                             ]  25 %, 128 MiB/s, 24 s left");
	progress_bar(&progress, 8000, 30, sizeof(text), text);
	assert_string_equal(text, "importing: 25 %, 1.0 of 4.0 Gi");
	/* The rate is that of the last seconds. */
	for (int64_t at = 1; at <= 20; at++)
		progress_sample(&progress, 8000 + at * 1000);
	text_is(&progress, 29000, "importing: 25 %, 1.0 of 4.0 GiB");
	progress.done = progress.total;
	text_is(&progress, 29000, "importing: 100 %, 4.0 of 4.0 GiB, 384 MiB/s");
	progress = (struct progress){ .what = "downloading", .bytes = true, .done = 3 << 20 };
	text_is(&progress, 0, "downloading: 3.0 MiB");
	progress = (struct progress){ .what = "checking", .done = 3, .total = 4 };
	text_is(&progress, 0, "checking: 75 %");
}

static void leaves_zeros_out(void **state)
{
	enum { SIZE = 64 * 4096 };
	autofree uint8_t *bytes = calloc(1, SIZE), *back = calloc(1, SIZE);
	autoclose int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	struct stat status;

	(void)state;
	assert_true(fd >= 0);
	bytes[5 * 4096] = 1;
	bytes[20 * 4096 + 4095] = 2;
	bytes[SIZE - 1] = 3;
	/* Pieces that begin and end anywhere. */
	for (size_t at = 0, n = 1; at < SIZE; at += n, n = n * 3 % 10007 + 1) {
		if (n > SIZE - at)
			n = SIZE - at;
		assert_int_equal(sparse_write(fd, bytes + at, n, at), 0);
	}
	assert_int_equal(pread(fd, back, SIZE, 0), SIZE);
	assert_memory_equal(bytes, back, SIZE);
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(status.st_blocks <= 4 * 8);
}

/* One member, "hello" by gzip -n. */
static const uint8_t hello[] = { 0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xcb, 0x48, 0xcd,
				 0xc9, 0xc9, 0x07, 0, 0x86, 0xa6, 0x10, 0x36, 0x05, 0, 0, 0 };

/* Reads all of @n bytes. Return: as stream_read() does at last. */
static ssize_t unpack(const uint8_t *bytes, size_t n, char *text)
{
	autoclose int fd = memfd_create("gzip", 0);
	struct stream stream;
	struct job job;
	const void *got;
	ssize_t result;

	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(job_init(&job), 0);
	progress_begin(&job.progress, "unpacking", true, 0, n);
	assert_int_equal(stream_open(&stream, &job, fd, true), 0);
	while ((result = stream_read(&stream, &got)) > 0) {
		memcpy(text, got, (size_t)result);
		text += result;
	}
	*text = '\0';
	stream_close(&stream);
	close(job.stop_fd);
	return result;
}

static void notices_gzips_end(void **state)
{
	uint8_t bytes[2 * sizeof(hello) + 100] = { 0 };
	char text[64];

	(void)state;
	memcpy(bytes, hello, sizeof(hello));
	assert_int_equal(unpack(bytes, sizeof(hello), text), 0);
	assert_string_equal(text, "hello");
	for (size_t n = 1; n < sizeof(hello); n++)
		assert_int_equal(unpack(bytes, n, text), -ENODATA);
	/* Two members, and padding. */
	memcpy(bytes + sizeof(hello), hello, sizeof(hello));
	assert_int_equal(unpack(bytes, sizeof(bytes), text), 0);
	assert_string_equal(text, "hellohello");
	/* A wrong checksum, a wrong length. */
	bytes[sizeof(hello) - 6] ^= 1;
	assert_int_equal(unpack(bytes, sizeof(bytes), text), -EBADMSG);
	bytes[sizeof(hello) - 6] ^= 1;
	bytes[sizeof(hello) - 2] ^= 1;
	assert_int_equal(unpack(bytes, sizeof(bytes), text), -EBADMSG);
}

static void makes_targets(void **state)
{
	char directory[] = "/tmp/casement-target-XXXXXX", path[64], old[96];
	struct target target;
	struct failure failure;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.qcow2", directory);
	assert_int_equal(target_free(path, &failure), 0);
	assert_int_equal(target_open(path, 0640, &target, &failure), 0);
	/* Whoever is at work is not swept. */
	target_sweep(path);
	assert_int_equal(access(target.temporary, F_OK), 0);
	snprintf(old, sizeof(old), "%s", target.temporary);
	assert_int_equal(target_publish(&target, &failure), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_equal(target_free(path, &failure), -EEXIST);
	/* Somebody was quicker. */
	assert_int_equal(target_open(path, 0600, &target, &failure), 0);
	assert_int_equal(target_publish(&target, &failure), -EEXIST);
	/* Leftovers of the killed. */
	snprintf(old, sizeof(old), "%s/.a.qcow2.casement-import-abcdef", directory);
	close(open(old, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	target_sweep(path);
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_equal(target_room(path, 1, "x", &failure), 0);
	assert_int_equal(target_room(path, UINT64_MAX / 2, "x", &failure), -ENOSPC);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(target_free(path, &failure), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognises_sources), cmocka_unit_test(refuses_what_is_no_disk),
		cmocka_unit_test(notices_missing_sectors), cmocka_unit_test(shows_progress),     cmocka_unit_test(leaves_zeros_out),
		cmocka_unit_test(notices_gzips_end),  cmocka_unit_test(makes_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
