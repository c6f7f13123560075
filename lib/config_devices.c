/*
 * What only shows in the whole of a [device] section: that its name is of the kind that `as` says,
 * and that it has the keys of that kind.
 */
#include "lib/config_entry.h"
#include "lib/device_name.h"
#include "lib/util.h"

/** find_any() - An entry of the device's section: @key's, or if that is not set any. */
static const struct config_entry *find_any(const struct config *config,
					   const struct device_config *device, const char *key)
{
	const struct config_entry *any = NULL;
	enum section_kind kind;
	const char *argument;

	for (size_t i = 0; i < config->n_entries; i++) {
		const struct config_entry *entry = &config->entries[i];

		if (!config_section(entry->section, &kind, &argument) || kind != SECTION_DEVICE ||
		    !streq(argument, device->path))
			continue;
		if (streq(entry->key, key))
			return entry;
		if (!any)
			any = entry;
	}
	return any;
}

static void complain_device(struct config_loader *loader, const struct device_config *device,
			    const char *key, const char *text)
{
	const struct config_entry *entry = find_any(loader->config, device, key);
	char place[512];

	config_complain(loader, "%s: %s",
			entry ? config_entry_place(entry, place, sizeof(place)) : device->path,
			text);
}

/** check_name() - The section's name is one of its kind. Return: whether it is. */
static bool check_name(struct config_loader *loader, const struct device_config *device)
{
	bool path = device->path[0] == '/';
	struct usb_name usb;
	struct pci_name pci;

	switch (device->as) {
	case DEVICE_NODE:
		if (!path)
			complain_device(loader, device, "as",
					"a device section names an absolute path, as in [device "
					"/dev/kvm]; a USB or PCI device needs as = usb or pci");
		return path;
	case DEVICE_DISK:
	case DEVICE_CDROM:
		if (!path)
			complain_device(loader, device, "as",
					"a disk or a CD is named by its absolute path, as in "
					"[device /storage/data.qcow2]");
		return path;
	case DEVICE_USB:
		if (usb_name_parse(device->path, &usb))
			return true;
		complain_device(loader, device, "as",
				"a USB device is named as lsusb does, vendor and product, as in "
				"[device 046d:c52b]");
		return false;
	case DEVICE_PCI:
		if (pci_name_parse(device->path, &pci))
			return true;
		complain_device(loader, device, "as",
				"a PCI device is named as lspci does, as in [device 0000:01:00.0]");
		return false;
	}
	return false;
}

static void check_device(struct config_loader *loader, const struct device_config *device)
{
	bool has_node = device->path[0] == '/';

	if (!check_name(loader, device))
		return;
	if (!has_node && (device->group || device->mode || device->user || device->required))
		complain_device(
			loader, device,
			device->group  ? "group"
			: device->mode ? "mode"
			: device->user ? "user"
				       : "required",
			"this key is for a device with a path: libvirtd sees to the others");
	if (device->readonly && device->as != DEVICE_DISK)
		complain_device(loader, device, "read-only", "only a disk can be read-only or not");
	if (device->as != DEVICE_NODE && loader->config->guest.xml)
		complain_device(loader, device, "as",
				"a device for the guest does not work with [guest] xml: put it "
				"into that file");
	if (device->as == DEVICE_PCI && loader->config->stop.on_deadline == ON_DEADLINE_SAVE)
		complain_device(loader, device, "as",
				"a guest with a PCI device of the host cannot be saved: set [stop] "
				"on-deadline = destroy");
}

void config_check_devices(struct config_loader *loader)
{
	for (size_t i = 0; i < loader->config->n_devices; i++)
		check_device(loader, &loader->config->devices[i]);
}
