/* Image headers, with every field bent. That qemu-img agrees about real images is test_guest_storage's. */
#include "lib/image.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>

#define FILE_SIZE (256 * 1024)

static uint8_t head[IMAGE_HEAD_SIZE];

static void put32(size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		head[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put64(size_t at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

/* A qcow2 of version 3, 10 GiB, clusters of 64 kB, as qemu-img makes it; QEMU's docs/interop/qcow2.txt has the fields. */
static void make_qcow2(const char *backing, const char *format)
{
	size_t at = 104, length = format ? strlen(format) : 0;

	memset(head, 0, sizeof(head));
	put32(0, 0x514649fb);
	put32(4, 3);
	put32(20, 16);
	put64(24, 10ULL << 30);
	put32(36, 20);      /* L1 entries */
	put64(40, 0x30000); /* L1 table */
	put64(48, 0x10000); /* refcount table */
	put32(56, 1);
	put32(96, 4);
	put32(100, 104);
	if (format) {
		put32(at, 0xe2792aca);
		put32(at + 4, (uint32_t)length);
		memcpy(head + at + 8, format, length);
		at += 8 + (length + 7) / 8 * 8;
	}
	put64(at, 0); /* end of extensions */
	if (backing) {
		put64(8, at + 8);
		put32(16, (uint32_t)strlen(backing));
		memcpy(head + at + 8, backing, strlen(backing));
	}
}

static int identify(struct image *ret_image, const char **ret_reason)
{
	return image_identify(head, sizeof(head), FILE_SIZE, ret_image, ret_reason);
}

static void expect_reason(const char *part)
{
	struct image image = { .virtual_size = 42 };
	const char *reason = NULL;

	assert_int_equal(identify(&image, &reason), -EINVAL);
	if (!strstr(reason, part))
		fail_msg("expected \"%s\", got \"%s\"", part, reason);
	assert_int_equal(image.virtual_size, 42);
}

static void knows_qcow2(void **state)
{
	struct image image;
	const char *reason;

	(void)state;
	make_qcow2(NULL, NULL);
	assert_int_equal(identify(&image, &reason), 0);
	assert_int_equal(image.format, IMAGE_QCOW2);
	assert_int_equal(image.virtual_size, 10ULL << 30);
	assert_string_equal(image.backing, "");
	make_qcow2("/images/windows.qcow2", "qcow2");
	assert_int_equal(identify(&image, &reason), 0);
	assert_string_equal(image.backing, "/images/windows.qcow2");
	assert_int_equal(image.backing_format, IMAGE_QCOW2);
	make_qcow2("base.raw", "raw");
	assert_int_equal(identify(&image, &reason), 0);
	assert_int_equal(image.backing_format, IMAGE_RAW);
	make_qcow2("base", NULL);
	assert_int_equal(identify(&image, &reason), 0);
	assert_int_equal(image.backing_format, -1);
}

static void knows_old_qcow2(void **state)
{
	struct image image;
	const char *reason;

	(void)state;
	make_qcow2(NULL, NULL);
	put32(4, 2);
	/* Version 2 has no features and no header length: what stands there is the first extension. */
	put64(72, 0);
	put32(100, 0);
	assert_int_equal(identify(&image, &reason), 0);
	put32(4, 1);
	expect_reason("version 1");
	put32(4, 4);
	expect_reason("newer version");
	put32(4, 0);
	expect_reason("impossible version");
}

static void refuses_what_is_bent(void **state)
{
	static const struct {
		size_t at;
		unsigned width;
		uint64_t value;
		const char *reason;
	} bent[] = {
		{ 20, 4, 8, "cluster size" },
		{ 20, 4, 22, "cluster size" },
		{ 20, 4, UINT32_MAX, "cluster size" },
		{ 24, 8, UINT64_MAX, "impossible size" },
		{ 24, 8, 0, "size 0" },
		{ 24, 8, 1ULL << 60, "too small for its size" },
		{ 32, 4, 1, "encrypted" },
		{ 36, 4, 1, "too small for its size" },
		{ 36, 4, UINT32_MAX, "impossible size" },
		{ 40, 8, 0x30001, "not aligned" },
		{ 40, 8, FILE_SIZE, "truncated" },
		{ 40, 8, 1ULL << 63, "truncated" },
		{ 48, 8, 0x10001, "not aligned" },
		{ 48, 8, FILE_SIZE, "truncated" },
		{ 56, 4, UINT32_MAX, "truncated" },
		{ 72, 8, 2, "marked as corrupt" },
		{ 72, 8, 4, "external data file" },
		{ 72, 8, 1ULL << 40, "newer kind" },
		{ 100, 4, 0, "impossible length" },
		{ 100, 4, 71, "impossible length" },
		{ 100, 4, UINT32_MAX - 7, "impossible length" },
		{ 8, 8, IMAGE_HEAD_SIZE, "backing file" },
		{ 8, 8, UINT64_MAX, "backing file" },
		{ 16, 4, 0, "backing file" },
		{ 16, 4, IMAGE_NAME_MAX, "backing file" },
		{ 16, 4, UINT32_MAX, "backing file" },
		{ 108, 4, UINT32_MAX, "extension" },
		{ 112, 8, 0x766d646b00000000, "neither raw nor qcow2" }, /* vmdk */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bent); i++) {
		make_qcow2("/images/windows.qcow2", "qcow2");
		if (bent[i].width == 8)
			put64(bent[i].at, bent[i].value);
		else
			put32(bent[i].at, (uint32_t)bent[i].value);
		expect_reason(bent[i].reason);
	}
}

static void a_name_with_a_zero_is_none(void **state)
{
	(void)state;
	make_qcow2("/images/a\001b", "raw");
	for (size_t i = 0; i < 300; i++) {
		if (head[i] == 1 && head[i - 1] == 'a')
			head[i] = 0;
	}
	expect_reason("zero byte");
}

static void refuses_what_is_cut_off(void **state)
{
	struct image image;
	const char *reason;

	(void)state;
	make_qcow2(NULL, NULL);
	for (size_t n = 4; n < 104; n++) {
		assert_int_equal(image_identify(head, n, n, &image, &reason), -EINVAL);
		assert_non_null(strstr(reason, "truncated"));
	}
	assert_int_equal(image_identify(head, 0, 0, &image, &reason), -EINVAL);
	assert_string_equal(reason, "is empty");
}

static void names_what_it_cannot_use(void **state)
{
	static const struct {
		size_t at;
		const char *magic;
		size_t length;
		const char *reason;
		enum image_kind kind;
	} others[] = {
		{ 0, "KDMV\1", 5, "VMDK", IMAGE_KIND_VMDK },
		{ 0, "# Disk DescriptorFile\n", 22, "VMDK", IMAGE_KIND_VMDK_TEXT },
		{ 0, "vhdxfile", 8, "VHDX", IMAGE_KIND_VHDX },
		{ 0, "conectix", 8, "VHD", IMAGE_KIND_VHD },
		{ 0x40, "\x7f\x10\xda\xbe", 4, "VDI", IMAGE_KIND_VDI },
		{ 0, "LUKS\xba\xbe", 6, "LUKS", IMAGE_KIND_OTHER },
		{ 0, "\x1f\x8b\x08", 3, "gzip", IMAGE_KIND_GZIP },
		{ 0, "\xfd\x37zXZ", 6, "xz", IMAGE_KIND_OTHER },
		{ 0, "PK\x03\x04", 4, "zip", IMAGE_KIND_OTHER },
		{ 257, "ustar", 5, "tar", IMAGE_KIND_TAR },
		{ 0x8001, "CD001", 5, "ISO", IMAGE_KIND_ISO },
		{ 0, "MSWIM\0\0\0", 8, "WIM", IMAGE_KIND_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct image image;
		const char *reason;

		memset(head, 0, sizeof(head));
		memcpy(head + others[i].at, others[i].magic, others[i].length);
		assert_int_equal(identify(&image, &reason), -EMEDIUMTYPE);
		assert_non_null(strstr(reason, others[i].reason));
		assert_int_equal(image_kind(head, sizeof(head)), others[i].kind);
	}
}

static void everything_else_is_raw(void **state)
{
	struct image image;
	const char *reason;

	(void)state;
	memset(head, 0, sizeof(head));
	assert_int_equal(identify(&image, &reason), 0);
	assert_int_equal(image.format, IMAGE_RAW);
	assert_int_equal(image.virtual_size, FILE_SIZE);
	assert_int_equal(image_kind(head, sizeof(head)), IMAGE_KIND_UNKNOWN);
	/* One sector is a disk, half a sector is none. */
	assert_int_equal(image_identify(head, 512, 512, &image, &reason), 0);
	assert_int_equal(image_identify(head, 700, 700, &image, &reason), -EINVAL);
}

/* No header, however bent, makes the reader read where there is nothing; the sanitizers and valgrind watch. */
static void survives_noise(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = 4 + (size_t)(rand_r(&seed) % 400);
		autofree uint8_t *copy = malloc(n);
		struct image image;
		const char *reason;

		assert_non_null(copy);
		make_qcow2("/images/windows.qcow2", "qcow2");
		for (int i = 0; i < 4; i++)
			head[4 + rand_r(&seed) % 200] = (uint8_t)rand_r(&seed);
		memcpy(copy, head, n);
		if (image_identify(copy, n, n + (uint64_t)rand_r(&seed), &image, &reason) == 0)
			assert_true(strnlen(image.backing, IMAGE_NAME_MAX) < IMAGE_NAME_MAX);
		else
			assert_non_null(reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_qcow2),
		cmocka_unit_test(knows_old_qcow2),
		cmocka_unit_test(refuses_what_is_bent),
		cmocka_unit_test(a_name_with_a_zero_is_none),
		cmocka_unit_test(refuses_what_is_cut_off),
		cmocka_unit_test(names_what_it_cannot_use),
		cmocka_unit_test(everything_else_is_raw),
		cmocka_unit_test(survives_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
