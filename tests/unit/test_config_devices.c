/* Sections of devices: names of each kind, keys that go with it; lists of processors; huge pages. */
#include "config_fixture.h"
#include "lib/device_name.h"
#include "lib/processors.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_kind_is_taken(void **state)
{
	struct config *config = load(*state, "[device /dev/kvm]\ngroup = kvm\n"
					     "[device /storage/data.qcow2]\nas = disk\nread-only = yes\n"
					     "[device /images/tools.iso]\nas = cdrom\n"
					     "[device /dev/sdb]\nas = disk\ngroup = disk\nmode = 0660\n"
					     "[device 046d:c52b]\nas = usb\n[device 01:00.0]\nas = pci\n");
	static const enum device_as expected[] = { DEVICE_NODE, DEVICE_DISK, DEVICE_CDROM,
						   DEVICE_DISK, DEVICE_USB,  DEVICE_PCI };

	assert_int_equal(config->n_devices, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(config->devices[i].as, expected[i]);
		assert_int_equal(config->devices[i].readonly, i == 1);
	}
	assert_string_equal(config->devices[4].path, "046d:c52b");
	config_free(config);
}

/* One message for each section, at the key that is to blame. */
static void names_and_keys_have_to_fit(void **state)
{
	refuse(*state,
	       "[device 046d:c52b]\nread-only = no\n[device data.qcow2]\nas = disk\n"
	       "[device /dev/bus/usb]\nas = usb\n[device 46d:c52b]\nas = usb\n"
	       "[device 046d:c52b0]\nas = usb\n[device 01:20.0]\nas = pci\n[device 01:00.8]\nas = pci\n"
	       "[device 1234:5678]\nas = usb\nrequired = yes\n"
	       "[device /a.iso]\nas = cdrom\nread-only = yes\n[device /dev/null]\nread-only = yes\n",
	       "c:2: [device 046d:c52b] read-only: a device section names an absolute path, as in "
	       "[device /dev/kvm]; a USB or PCI device needs as = usb or pci\n"
	       "c:4: [device data.qcow2] as: a disk or a CD is named by its absolute path, as in "
	       "[device /storage/data.qcow2]\n"
	       "c:6: [device /dev/bus/usb] as: a USB device is named as lsusb does, vendor and "
	       "product, as in [device 046d:c52b]\n"
	       "c:8: [device 46d:c52b] as: a USB device is named as lsusb does, vendor and product, "
	       "as in [device 046d:c52b]\n"
	       "c:10: [device 046d:c52b0] as: a USB device is named as lsusb does, vendor and "
	       "product, as in [device 046d:c52b]\n"
	       "c:12: [device 01:20.0] as: a PCI device is named as lspci does, as in [device "
	       "0000:01:00.0]\n"
	       "c:14: [device 01:00.8] as: a PCI device is named as lspci does, as in [device "
	       "0000:01:00.0]\n"
	       "c:17: [device 1234:5678] required: this key is for a device with a path: libvirtd "
	       "sees to the others\n"
	       "c:20: [device /a.iso] read-only: only a disk can be read-only or not\n"
	       "c:22: [device /dev/null] read-only: only a disk can be read-only or not\n");
}

static void an_xml_of_ones_own_has_its_own(void **state)
{
	refuse(*state,
	       "[guest]\nxml = /x\nxml-patch = /p\nhugepages = 2M\npin = 0\n[device /a]\nas = disk\n",
	       "c:3: [guest] xml-patch: this key does not work with [guest] xml: put it into that file\n"
	       "c:4: [guest] hugepages: this key does not work with [guest] xml: put it into that file\n"
	       "c:5: [guest] pin: this key does not work with [guest] xml: put it into that file\n"
	       "c:7: [device /a] as: a device for the guest does not work with [guest] xml: put it into "
	       "that file\n");
}

static void a_pci_device_cannot_be_saved(void **state)
{
	refuse(*state, "[stop]\non-deadline = save\n[device 01:00.0]\nas = pci\n",
	       "c:4: [device 01:00.0] as: a guest with a PCI device of the host cannot be saved: set "
	       "[stop] on-deadline = destroy\n");
}

static void huge_pages(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = { { "no", 0 }, { "yes", HUGEPAGES_USUAL }, { "2M", 2 << 20 }, { "1G", 1 << 30 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];
		struct config *config;

		snprintf(text, sizeof(text), "[guest]\nhugepages = %s\n", cases[i].text);
		config = load(*state, text);
		assert_int_equal(config->guest.hugepages, cases[i].bytes);
		config_free(config);
	}
	refuse(*state, "[guest]\nhugepages = 3M\n",
	       "c:2: [guest] hugepages: \"3M\" is neither yes nor no nor the size of a huge page such as 2M "
	       "or 1G\n");
	refuse(*state, "[guest]\nhugepages = 4K\n",
	       "c:2: [guest] hugepages: \"4K\" is neither yes nor no nor the size of a huge page such as 2M "
	       "or 1G\n");
	refuse(*state, "[guest]\nhugepages = yes\nmemory = 50%\n",
	       "c:3: [guest] memory: with [guest] hugepages this must be a size such as 4G: the container's "
	       "memory limit does not count them\n");
}

static void lists_of_processors(void **state)
{
	static const char *const good[][2] = {
		{ "0", "0" },	     { "0-3,8", "0-3,8" }, { "8, 3-1023 ", NULL }, { "3,2,1,0", "0-3" },
		{ "0-1,1-2", "0-2" }, { "1023", "1023" },
	};
	static const char *const bad[] = { "", "-1", "1-", "3-1", "0,", ",0", "0 1", "1024", "0-1024", "99999999999", "a", "0x1" };
	char text[64];
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_null(processors_parse(good[i][0], &set));
		if (good[i][1])
			assert_string_equal(processors_text(&set, text, sizeof(text)), good[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!processors_parse(bad[i], &set))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void a_later_file_takes_the_list_back(void **state)
{
	struct config *config;

	setenv("CASEMENT_GUEST_PIN", "", 1);
	config = load(*state, "[guest]\npin = 0-3\n");
	assert_int_equal(CPU_COUNT(&config->guest.pin), 0);
	config_free(config);
}

static void pci_names(void **state)
{
	char text[PCI_NAME_SIZE];
	struct pci_name name;

	(void)state;
	assert_true(pci_name_parse("01:1f.7", &name));
	assert_string_equal(pci_name_text(&name, text), "0000:01:1f.7");
	assert_true(pci_name_parse("abcd:FF:00.0", &name));
	assert_string_equal(pci_name_text(&name, text), "abcd:ff:00.0");
	assert_false(pci_name_parse("", &name));
	assert_false(pci_name_parse("01:00", &name));
	assert_false(pci_name_parse("01:00.0 ", &name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_is_taken, enter, leave),
		cmocka_unit_test_setup_teardown(names_and_keys_have_to_fit, enter, leave),
		cmocka_unit_test_setup_teardown(an_xml_of_ones_own_has_its_own, enter, leave),
		cmocka_unit_test_setup_teardown(a_pci_device_cannot_be_saved, enter, leave),
		cmocka_unit_test_setup_teardown(huge_pages, enter, leave),
		cmocka_unit_test_setup_teardown(a_later_file_takes_the_list_back, enter, leave),
		cmocka_unit_test(lists_of_processors),
		cmocka_unit_test(pci_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
