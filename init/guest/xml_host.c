#include "init/guest/xml_host.h"

#include "init/guest/placement.h"
#include "lib/device_name.h"
#include "lib/processors.h"

void xml_write_memory(struct xml_out *out, const struct xml_spec *spec)
{
	char size[24];

	if (!spec->page)
		return;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)spec->page >> 10);
	xml_open(out, "memoryBacking", NULL);
	xml_open(out, "hugepages", NULL);
	xml_leaf(out, "page", "size", size, "unit", "KiB", NULL);
	xml_close(out);
	xml_close(out);
}

void xml_write_pinning(struct xml_out *out, const struct xml_spec *spec, bool iothread)
{
	const cpu_set_t *pin = &spec->config->pin;
	unsigned n = spec->size->cpus;
	char list[512], number[16];
	cpu_set_t set;

	if (!CPU_COUNT(pin))
		return;
	xml_open(out, "cputune", NULL);
	for (unsigned i = 0; i < n; i++) {
		set = placement_of(pin, i, n);
		snprintf(number, sizeof(number), "%u", i);
		xml_leaf(out, "vcpupin", "vcpu", number, "cpuset",
			 processors_text(&set, list, sizeof(list)), NULL);
	}
	set = placement_of_rest(pin, n);
	processors_text(&set, list, sizeof(list));
	xml_leaf(out, "emulatorpin", "cpuset", list, NULL);
	if (iothread)
		xml_leaf(out, "iothreadpin", "iothread", "1", "cpuset", list, NULL);
	xml_close(out);
}

static void write_usb(struct xml_out *out, const struct usb_name *name)
{
	char vendor[8], product[8];

	snprintf(vendor, sizeof(vendor), "0x%04x", name->vendor);
	snprintf(product, sizeof(product), "0x%04x", name->product);
	xml_open(out, "hostdev", "mode", "subsystem", "type", "usb", "managed", "no", NULL);
	xml_open(out, "source", NULL);
	xml_leaf(out, "vendor", "id", vendor, NULL);
	xml_leaf(out, "product", "id", product, NULL);
	xml_close(out);
	xml_close(out);
}

/** write_pci() - Unmanaged: in a container nobody can give the device another driver. */
static void write_pci(struct xml_out *out, const struct pci_name *name)
{
	char domain[8], bus[8], slot[8], function[8];

	snprintf(domain, sizeof(domain), "0x%04x", name->domain & 0xffff);
	snprintf(bus, sizeof(bus), "0x%02x", name->bus);
	snprintf(slot, sizeof(slot), "0x%02x", name->slot);
	snprintf(function, sizeof(function), "0x%x", name->function);
	xml_open(out, "hostdev", "mode", "subsystem", "type", "pci", "managed", "no", NULL);
	xml_open(out, "source", NULL);
	xml_leaf(out, "address", "domain", domain, "bus", bus, "slot", slot, "function", function,
		 NULL);
	xml_close(out);
	xml_close(out);
}

void xml_write_devices(struct xml_out *out, const struct xml_spec *spec)
{
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct device_config *device = &spec->devices[i];
		struct usb_name usb;
		struct pci_name pci;

		if (device->as == DEVICE_USB && usb_name_parse(device->path, &usb))
			write_usb(out, &usb);
		if (device->as == DEVICE_PCI && pci_name_parse(device->path, &pci))
			write_pci(out, &pci);
	}
}
