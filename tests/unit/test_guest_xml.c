/*
 * The domain XML against golden files: every profile, firmware and accelerator.
 *
 * Run with CASEMENT_GOLDEN_UPDATE=1 to write the files anew, and read the difference. That libvirt's schema accepts them
 * is a test of its own (meson's guest_xml_schema), and that libvirtd starts them is tests/guest's.
 */
#include "init/guest/xml.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>

#define HYPERV_ALL ((1U << N_HYPERV_FEATURES) - 1)

static struct disk_link overlay[] = {
	{ (char[]){ "/storage/windows.qcow2" }, IMAGE_QCOW2, false, 0 },
	{ (char[]){ "/images/windows.qcow2" }, IMAGE_QCOW2, false, 0 },
	{ (char[]){ "/images/<&\"'>.raw" }, IMAGE_RAW, false, 0 },
};

/* Every kind of drive; the last one is the CD that is booted from if any is. */
static const struct drive drives[] = {
	{ .disk = { .links = { { (char[]){ "/storage/data.qcow2" }, IMAGE_QCOW2, false, 0 },
			       { (char[]){ "/images/data.raw" }, IMAGE_RAW, false, 0 } }, .n = 2, .direct = true } },
	{ .disk = { .links = { { (char[]){ "/images/tools.iso" }, IMAGE_RAW, false, 0 } }, .n = 1 }, .cdrom = true, .readonly = true },
	{ .disk = { .links = { { (char[]){ "/images/common.raw" }, IMAGE_RAW, false, 0 } }, .n = 1, .direct = true }, .readonly = true },
	{ .disk = { .links = { { (char[]){ "/dev/vdc" }, IMAGE_RAW, true, 0 } }, .n = 1 } },
	{ .disk = { .links = { { (char[]){ "/images/windows.iso" }, IMAGE_RAW, false, 0 } }, .n = 1 }, .cdrom = true, .readonly = true },
};

struct golden {
	const char *file;
	size_t links;
	struct guest_config config;
	bool kvm;
	bool direct;
	bool block;
	uint32_t hyperv;
	unsigned mtu;
	bool other_cpu; /* not Intel's */
	unsigned tb_cache;
	size_t drives;
	unsigned boot; /* order of the last of them */
	bool host;     /* huge pages, pinning, devices of the host */
};

static const struct device_config devices[] = {
	{ .path = (char[]){ "/dev/kvm" } },
	{ .path = (char[]){ "046d:c52b" }, .as = DEVICE_USB },
	{ .path = (char[]){ "01:1f.7" }, .as = DEVICE_PCI },
};

#define CONFIG(p, ...)                                                                                              \
	{ .name = (char[]){ "windows" }, .profile = PROFILE_##p, .cpu = (char[]){ CPU_HOST }, \
	  .mac = { 0x52, 0x54, 0x00, 0xca, 0x5e, 0x01 }, __VA_ARGS__ }

static const struct golden goldens[] = {
	{ "windows-kvm.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), true, true, false, HYPERV_ALL, .mtu = 1500 },
	{ "windows-kvm-amd.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), true, true, false, HYPERV_ALL, .mtu = 1500,
	  .other_cpu = true },
	{ "windows-kvm-no-hyperv.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), true, true, false, 0, .mtu = 1500 },
	{ "windows-kvm-old-hyperv.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), true, true, false,
	  HYPERV_BIT(HYPERV_RELAXED) | HYPERV_BIT(HYPERV_VAPIC) | HYPERV_BIT(HYPERV_SPINLOCKS), .mtu = 1500 },
	{ "windows-tcg.xml", 2, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), false, true, false, HYPERV_ALL, .mtu = 1500 },
	{ "windows-kvm-uefi.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_UEFI), true, true, false, HYPERV_ALL, .mtu = 1500 },
	{ "windows-kvm-secure-tpm.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_UEFI_SECURE, .tpm = true), true, true, false, HYPERV_ALL, .mtu = 1500 },
	{ "windows-tcg-secure-tpm.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_UEFI_SECURE, .tpm = true), false, true, false, 0, .mtu = 1500 },
	{ "windows-virtio-kvm.xml", 3, CONFIG(WINDOWS_VIRTIO, .firmware = FIRMWARE_BIOS), true, true, false, HYPERV_ALL, .mtu = 1450 },
	{ "windows-virtio-tcg.xml", 1, CONFIG(WINDOWS_VIRTIO, .firmware = FIRMWARE_UEFI), false, false, false, 0, .mtu = 0 },
	{ "linux-kvm.xml", 1, CONFIG(LINUX, .firmware = FIRMWARE_BIOS), true, true, false, HYPERV_ALL, .mtu = 1500 },
	{ "linux-tcg-uefi-tpm.xml", 1, CONFIG(LINUX, .firmware = FIRMWARE_UEFI, .tpm = true), false, false, false, 0, .mtu = 1500 },
	{ "linux-tcg-block.xml", 1, CONFIG(LINUX, .firmware = FIRMWARE_BIOS), false, true, true, 0, .mtu = 1500 },
	{ "linux-tcg-small.xml", 1, CONFIG(LINUX, .firmware = FIRMWARE_BIOS), false, true, false, 0, .mtu = 1500, .tb_cache = 128 },
	{ "windows-tcg-drives.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_BIOS), false, true, false, 0, .drives = 5 },
	{ "windows-kvm-uefi-iso.xml", 1, CONFIG(WINDOWS, .firmware = FIRMWARE_UEFI), true, true, false, 0, .drives = 5, .boot = 2 },
	{ "linux-tcg-drives.xml", 1, CONFIG(LINUX, .firmware = FIRMWARE_BIOS), false, true, false, 0, .drives = 5, .boot = 2 },
	{ "windows-virtio-kvm-host.xml", 1, CONFIG(WINDOWS_VIRTIO, .firmware = FIRMWARE_BIOS, .pin = { { 0x3e } }), true, true, false, 0, .host = true },
};

static char *build(const struct golden *golden)
{
	struct disk disk = { .n = golden->links, .direct = golden->direct };
	const struct size size = { .memory = 4096, .cpus = 2, .tb_cache = golden->tb_cache };
	struct drive list[ARRAY_SIZE(drives)];
	const struct xml_spec spec = {
		.config = &golden->config,
		.size = &size,
		.disk = &disk,
		.drives = list,
		.n_drives = golden->drives,
		.devices = golden->host ? devices : NULL,
		.n_devices = golden->host ? ARRAY_SIZE(devices) : 0,
		.page = golden->host ? 1 << 30 : 0,
		.uuid = "1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b01",
		.generation = golden->host ? "1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b02" : NULL,
		.nvram = "/storage/windows_VARS.fd",
		.bridge = "virbr1",
		.mtu = golden->mtu,
		.kvm = golden->kvm,
		.intel = !golden->other_cpu,
		.hyperv = golden->hyperv,
	};
	struct disk_link block = { (char[]){ "/dev/vdb" }, IMAGE_RAW, true, 0 };
	char *xml = NULL;

	memcpy(disk.links, overlay, sizeof(overlay));
	memcpy(list, drives, sizeof(list));
	list[ARRAY_SIZE(list) - 1].boot = golden->boot;
	if (golden->block)
		disk.links[0] = block;
	assert_int_equal(xml_build(&spec, &xml), 0);
	return xml;
}

static char *read_whole(const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	char *text = calloc(1, 65536);

	assert_non_null(text);
	if (file)
		text[fread(text, 1, 65535, file)] = '\0';
	return text;
}

static void matches_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		autofree char *xml = build(&goldens[i]);
		autofree char *expected = NULL;
		char path[512];

		snprintf(path, sizeof(path), GOLDEN_DIRECTORY "/%s", goldens[i].file);
		if (getenv("CASEMENT_GOLDEN_UPDATE")) {
			autofclose FILE *file = fopen(path, "we");

			assert_non_null(file);
			fputs(xml, file);
			continue;
		}
		expected = read_whole(path);
		if (!streq(xml, expected))
			fail_msg("%s is not what xml_build() makes:\n%s", path, xml);
	}
}

/* The same input, the same text. */
static void is_pure(void **state)
{
	autofree char *first = build(&goldens[0]);
	autofree char *second = build(&goldens[0]);

	(void)state;
	assert_string_equal(first, second);
}

/* One of each that can be configured, for libvirt's schema to be compared with. */
static void write_all(const char *directory)
{
	for (unsigned i = 0; i < 3 * 3 * 2 * 2 * 4; i++) {
		const struct golden golden = {
			.links = 2,
			.config = { .name = (char[]){ "windows" },
				    .mac = { 0x52, 0x54, 0x00, 0xca, 0x5e, 0x01 },
				    .profile = (enum profile)(i % 3),
				    .firmware = (enum firmware)(i / 3 % 3),
				    .tpm = i / 9 % 2,
				    .cpu = i / 36 % 2 ? (char[]){ CPU_BASELINE } : (char[]){ CPU_HOST },
				    .pin = { { i / 36 % 2 ? 0xff : 0 } } },
			.kvm = i / 18 % 2,
			.hyperv = HYPERV_ALL,
			.mtu = 1500,
			.tb_cache = 128,
			.host = i / 36 % 2,
			.drives = i / 72 % 2 ? ARRAY_SIZE(drives) : 0,
			.boot = 2,
		};
		autofree char *xml = build(&golden);
		autofclose FILE *file = NULL;
		char path[512];

		snprintf(path, sizeof(path), "%s/%u.xml", directory, i);
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(xml, file);
	}
}

static void refuses_what_is_not_text(void **state)
{
	struct golden golden = goldens[0];
	struct disk disk = { .n = 1, .links = { { (char[]){ "/storage/\xff\xfe" }, IMAGE_RAW, false, 0 } } };
	const struct size size = { .memory = 64, .cpus = 1 };
	const struct xml_spec spec = { .config = &golden.config, .size = &size, .disk = &disk, .uuid = "", .nvram = "", .bridge = "" };
	char *xml = NULL;

	(void)state;
	assert_int_equal(xml_build(&spec, &xml), -EILSEQ);
	assert_null(xml);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_golden),
		cmocka_unit_test(is_pure),
		cmocka_unit_test(refuses_what_is_not_text),
	};

	if (argc == 2) {
		write_all(argv[1]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
