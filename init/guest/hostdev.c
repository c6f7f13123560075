/*
 * /sys of a container shows every device of the host; /dev has only what the container was given.
 * What is missing would come to light as a message of libvirtd's or QEMU's that names neither.
 *
 * Sources: sysfs-bus-usb and vfio.rst of Linux' documentation.
 */
#include "init/guest/hostdev.h"

#include "lib/device_name.h"
#include "lib/util.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

#define PCI_DRIVER "vfio-pci"

/** read_number() - The number that a file of a device's directory has; -1: none. */
static long read_number(const char *directory, const char *name, int base)
{
	char path[PATH_MAX + 256], text[32], *end;
	autofclose FILE *file = NULL;
	long number;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file))
		return -1;
	number = strtol(text, &end, base);
	return end == text || (*end && *end != '\n') ? -1 : number;
}

/** read_link_name() - The last part of what a link leads to; "" if there is none. */
static void read_link_name(const char *path, size_t size, char *ret_name)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	snprintf(ret_name, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
}

/** find_usb() - Count the devices of that name. @ret_node: of the last one, without @root. */
static unsigned find_usb(const char *root, const struct usb_name *name, size_t size, char *ret_node)
{
	char directory[PATH_MAX], path[PATH_MAX];
	unsigned n = 0;
	struct dirent *entry;
	DIR *all;

	snprintf(directory, sizeof(directory), "%s/sys/bus/usb/devices", root);
	all = opendir(directory);
	while (all && (entry = readdir(all))) {
		int length = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);

		if (entry->d_name[0] == '.' || length < 0 || (size_t)length >= sizeof(path) ||
		    read_number(path, "idVendor", 16) != name->vendor ||
		    read_number(path, "idProduct", 16) != name->product)
			continue;
		snprintf(ret_node, size, "/dev/bus/usb/%03ld/%03ld",
			 read_number(path, "busnum", 10), read_number(path, "devnum", 10));
		n++;
	}
	if (all)
		closedir(all);
	return n;
}

static int check_usb(const char *root, const struct device_config *device, struct failure *failure)
{
	struct usb_name name;
	char node[128] = "", path[PATH_MAX];
	unsigned n =
		usb_name_parse(device->path, &name) ? find_usb(root, &name, sizeof(node), node) : 0;

	if (n == 0)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENODEV,
			"the USB device %s ([device]) is not there: plug it in; lsusb on "
			"the host lists what is",
			device->path);
	if (n > 1)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENOTUNIQ,
			"there are %u USB devices %s ([device]), and the guest gets one: "
			"unplug the others",
			n, device->path);
	snprintf(path, sizeof(path), "%s%s", root, node);
	if (access(path, F_OK))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENOENT,
			"the USB device %s ([device]) has no node in the container: start "
			"it with --device %s, or with --device /dev/bus/usb for all of them",
			device->path, node);
	return 0;
}

/** check_vfio() - The nodes by which QEMU uses the device. */
static int check_vfio(const char *root, const char *name, const char *group,
		      struct failure *failure)
{
	char path[PATH_MAX], own[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dev/vfio/vfio", root);
	snprintf(own, sizeof(own), "%s/dev/vfio/%s", root, group);
	if (access(path, F_OK) == 0 && access(own, F_OK) == 0)
		return 0;
	return failure_set(failure, EXIT_UNAVAILABLE, -ENOENT,
			   "the PCI device %s ([device]) has no nodes in the container: start it "
			   "with --device /dev/vfio/vfio --device /dev/vfio/%s --ulimit memlock=-1",
			   name, group);
}

static int check_pci(const char *root, const struct device_config *device, struct failure *failure)
{
	char name[PCI_NAME_SIZE], directory[PATH_MAX], path[PATH_MAX + 16];
	char driver[64], group[64];
	struct pci_name pci = { 0 };

	pci_name_parse(device->path, &pci);
	pci_name_text(&pci, name);
	snprintf(directory, sizeof(directory), "%s/sys/bus/pci/devices/%s", root, name);
	if (access(directory, F_OK))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENODEV,
			"the PCI device %s ([device]) is not there: lspci -D on the host "
			"lists what is",
			name);
	snprintf(path, sizeof(path), "%s/iommu_group", directory);
	read_link_name(path, sizeof(group), group);
	if (!group[0])
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENODEV,
			"the PCI device %s ([device]) has no IOMMU group: switch on VT-d or "
			"AMD-Vi in the host's firmware, and intel_iommu=on in its kernel's "
			"command line",
			name);
	snprintf(path, sizeof(path), "%s/driver", directory);
	read_link_name(path, sizeof(driver), driver);
	if (!streq(driver, PCI_DRIVER))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EBUSY,
			"the PCI device %s ([device]) belongs to the host: its driver is %s; "
			"on the host: driverctl set-override %s " PCI_DRIVER,
			name, driver[0] ? driver : "none", name);
	return check_vfio(root, name, group, failure);
}

int hostdev_check(const char *root, const struct device_config *device, struct failure *failure)
{
	switch (device->as) {
	case DEVICE_USB: return check_usb(root, device, failure);
	case DEVICE_PCI: return check_pci(root, device, failure);
	case DEVICE_NODE:
	case DEVICE_DISK:
	case DEVICE_CDROM: break;
	}
	return 0;
}
