/* What a host has to have for a guest: USB and PCI devices, huge pages, processors; all but the last from a made-up root. */
#include "init/guest/hostdev.h"
#include "init/guest/placement.h"
#include "lib/processors.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

static char root[64];
static struct failure failure;

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/casement-host.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, name);
	make_parents(path);
	autofclose FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
}

static void link_to(const char *name, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, name);
	make_parents(path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void expect(int result, enum exit_code code, const char *part)
{
	assert_true(result < 0);
	assert_int_equal(failure.code, code);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
}

static void put_usb(const char *where, const char *bus, const char *number)
{
	static const char *const names[] = { "idVendor", "idProduct", "busnum", "devnum" };
	const char *const values[] = { "046d\n", "c52b\n", bus, number };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", where, names[i]);
		put(path, values[i]);
	}
}

static void usb(void **state)
{
	const struct device_config device = { .path = (char[]){ "046d:c52b" }, .as = DEVICE_USB };

	(void)state;
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "is not there: plug it in");
	put("/sys/bus/usb/devices/1-0:1.0/bInterfaceClass", "03\n");
	put("/sys/bus/usb/devices/usb1/idVendor", "1d6b\n");
	put("/sys/bus/usb/devices/usb1/idProduct", "c52b\n");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "is not there: plug it in");
	put_usb("1-2", "1\n", "14\n");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "--device /dev/bus/usb/001/014,");
	put("/dev/bus/usb/001/014", "");
	assert_int_equal(hostdev_check(root, &device, &failure), 0);
	put_usb("1-3", "1\n", "15\n");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "there are 2 USB devices 046d:c52b");
}

static void pci(void **state)
{
	const struct device_config device = { .path = (char[]){ "01:00.0" }, .as = DEVICE_PCI };
	static const char where[] = "/sys/bus/pci/devices/0000:01:00.0";
	char path[128];

	(void)state;
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "0000:01:00.0 ([device]) is not there");
	snprintf(path, sizeof(path), "%s/vendor", where);
	put(path, "0x10de\n");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "no IOMMU group");
	snprintf(path, sizeof(path), "%s/iommu_group", where);
	link_to(path, "../../../../kernel/iommu_groups/17");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "its driver is none;");
	snprintf(path, sizeof(path), "%s/driver", where);
	link_to(path, "../../../../bus/pci/drivers/nouveau");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE,
	       "its driver is nouveau; on the host: driverctl set-override 0000:01:00.0 vfio-pci");
	link_to(path, "../../../../bus/pci/drivers/vfio-pci");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "--device /dev/vfio/vfio --device /dev/vfio/17 --ulimit");
	put("/dev/vfio/vfio", "");
	expect(hostdev_check(root, &device, &failure), EXIT_UNAVAILABLE, "--device /dev/vfio/17");
	put("/dev/vfio/17", "");
	assert_int_equal(hostdev_check(root, &device, &failure), 0);
}

static void others_are_not_looked_at(void **state)
{
	const struct device_config device = { .path = (char[]){ "/none" }, .as = DEVICE_DISK };

	(void)state;
	assert_int_equal(hostdev_check(root, &device, &failure), 0);
}

static void huge_pages(void **state)
{
	uint64_t page = 2 << 20;

	(void)state;
	assert_int_equal(placement_page_size(root, HUGEPAGES_USUAL), 0);
	expect(placement_check_pages(root, 0, 1024, &failure), EXIT_UNAVAILABLE, "this kernel has no huge pages");
	put("/proc/meminfo", "MemTotal:        8000000 kB\nHugepagesize:       2048 kB\nHugetlb:         1 kB\n");
	assert_int_equal(placement_page_size(root, HUGEPAGES_USUAL), page);
	assert_int_equal(placement_page_size(root, 1 << 30), 1 << 30);
	expect(placement_check_pages(root, page, 1024, &failure), EXIT_UNAVAILABLE, "no huge pages of 2048 kB");
	put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "511\n");
	put("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "2\n");
	put("/proc/self/mounts", "none /dev/shm tmpfs rw 0 0\n");
	expect(placement_check_pages(root, page, 1024, &failure), EXIT_UNAVAILABLE, "-v /dev/hugepages:/dev/hugepages");
	put("/proc/self/mounts", "none /dev/hugepages hugetlbfs ro,relatime,pagesize=2M 0 0\n");
	expect(placement_check_pages(root, page, 1024, &failure), EXIT_UNAVAILABLE, "pages of 2048 kB is mounted");
	put("/proc/self/mounts", "none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n");
	expect(placement_check_pages(root, page, 1024, &failure), EXIT_UNAVAILABLE, "needs 512 huge pages of 2048 kB, and 511 are free");
	assert_int_equal(placement_check_pages(root, page, 1022, &failure), 0);
	expect(placement_check_pages(root, 1 << 30, 1024, &failure), EXIT_UNAVAILABLE, "pages of 1048576 kB is mounted");
	put("/proc/self/mounts", "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\nnone /g hugetlbfs rw,pagesize=1024M 0 0\n");
	assert_int_equal(placement_check_pages(root, 1 << 30, 2048, &failure), 0);
	expect(placement_check_pages(root, 1 << 30, 2049, &failure), EXIT_UNAVAILABLE, "needs 3 huge pages");
}

static void processors(void **state)
{
	static const struct {
		const char *pin;
		unsigned cpus;
		const char *expected; /* of each virtual processor, then of the rest */
	} cases[] = {
		{ "0-3", 4, "0 1 2 3 0-3" }, { "0-3", 2, "0 1 2-3" },	   { "1,3,5", 2, "1 3 5" },
		{ "7", 1, "7 7" },	     { "0-1", 3, "0-1 0-1 0-1 0-1" }, { "4-6,2", 3, "2 4 5 6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128] = "", list[64];
		size_t length = 0;
		cpu_set_t pin, set;

		assert_null(processors_parse(cases[i].pin, &pin));
		for (unsigned k = 0; k <= cases[i].cpus; k++) {
			set = k < cases[i].cpus ? placement_of(&pin, k, cases[i].cpus) : placement_of_rest(&pin, cases[i].cpus);
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", k ? " " : "",
						   processors_text(&set, list, sizeof(list)));
		}
		assert_string_equal(text, cases[i].expected);
	}
}

static void processors_of_the_container(void **state)
{
	cpu_set_t own, one, pin;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	CPU_ZERO(&pin);
	assert_int_equal(placement_check_pin(&pin, &failure), 0);
	/* Whether it may pin at all is not this machine's to say: the container does, or its lack is named. */
	if (placement_check_pin(&own, &failure))
		expect(-1, EXIT_UNAVAILABLE, "--cap-add SYS_NICE");
	CPU_ZERO(&one);
	for (unsigned i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++) {
		if (CPU_ISSET(i, &own))
			CPU_SET(i, &one);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	pin = one;
	CPU_SET(CPU_SETSIZE - 1, &pin);
	expect(placement_check_pin(&pin, &failure), EXIT_CONFIG, "may not use the processors 1023: it has ");
	assert_int_equal(sched_setaffinity(0, sizeof(own), &own), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(usb, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pci, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_are_not_looked_at, set_up, tear_down),
		cmocka_unit_test_setup_teardown(huge_pages, set_up, tear_down),
		cmocka_unit_test(processors),
		cmocka_unit_test(processors_of_the_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
