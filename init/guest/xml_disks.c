/*
 * Which bus a disk is on, and what it is called there.
 *
 * A Windows without drivers knows SATA and USB, everybody else gets virtio; CDs are on SATA for
 * all, because nothing boots from a CD that it needs a driver for. SATA disks cannot be read-only
 * to QEMU, so such a disk is a USB stick for a Windows without drivers. Names follow from the order
 * of the list alone: libvirt makes places on the buses of them, so the same configuration is the
 * same hardware every time.
 */
#include "init/guest/xml_disks.h"

#include <stdio.h>

/* Letters that are taken already. */
struct names {
	unsigned sd, vd;
};

static bool is_virtio(const struct xml_spec *spec)
{
	return spec->config->profile != PROFILE_WINDOWS;
}

bool xml_boot_is_ordered(const struct xml_spec *spec)
{
	for (size_t i = 0; i < spec->n_drives; i++) {
		if (spec->drives[i].boot)
			return true;
	}
	return false;
}

static const char *bus_of(const struct xml_spec *spec, const struct drive *drive)
{
	if (drive->cdrom)
		return "sata";
	if (is_virtio(spec))
		return "virtio";
	return drive->readonly ? "usb" : "sata";
}

/**
 * write_source() - Where the content is. What is only read belongs to others, too, so its owner is
 * left alone.
 */
static void write_source(struct xml_out *out, const struct disk_link *link, bool readonly)
{
	xml_open(out, "source", link->block ? "dev" : "file", link->path, NULL);
	if (readonly)
		xml_leaf(out, "seclabel", "model", "dac", "relabel", "no", NULL);
	xml_close(out);
}

/** write_backing() - What an image is based on. */
static void write_backing(struct xml_out *out, const struct disk_link *links, size_t n)
{
	if (n == 0) {
		/* The end of the chain, said so that libvirt does not look for it. */
		xml_leaf(out, "backingStore", NULL);
		return;
	}
	xml_open(out, "backingStore", "type", links->block ? "block" : "file", NULL);
	xml_leaf(out, "format", "type", image_format_name(links->format), NULL);
	write_source(out, links, true);
	write_backing(out, links + 1, n - 1);
	xml_close(out);
}

/** write_target() - The next name of the bus. */
static void write_target(struct xml_out *out, const char *bus, struct names *names)
{
	bool virtio = streq(bus, "virtio");
	unsigned *next = virtio ? &names->vd : &names->sd;
	char name[] = { virtio ? 'v' : 's', 'd', (char)('a' + (*next)++ % 26), '\0' };

	xml_leaf(out, "target", "dev", name, "bus", bus, NULL);
}

static void write_drive(struct xml_out *out, const struct xml_spec *spec, const struct drive *drive,
			struct names *names)
{
	const struct disk *disk = &drive->disk;
	const struct disk_link *top = &disk->links[0];
	const char *bus = bus_of(spec, drive);
	char boot[16];

	snprintf(boot, sizeof(boot), "%u", drive->boot);
	xml_open(out, "disk", "type", top->block ? "block" : "file", "device",
		 drive->cdrom ? "cdrom" : "disk", NULL);
	/*
	 * A full file system pauses the guest; an error passed on to it would be a disk that fails.
	 */
	xml_leaf(out, "driver", "name", "qemu", "type", image_format_name(top->format), "cache",
		 disk->direct && !drive->readonly ? "none" : NULL, "error_policy",
		 drive->readonly ? NULL : "stop", "discard", drive->readonly ? NULL : "unmap",
		 "iothread", streq(bus, "virtio") ? "1" : NULL, NULL);
	write_source(out, top, drive->readonly);
	write_backing(out, top + 1, disk->n - 1);
	write_target(out, bus, names);
	if (drive->readonly)
		xml_leaf(out, "readonly", NULL);
	if (drive->boot)
		xml_leaf(out, "boot", "order", boot, NULL);
	xml_close(out);
}

void xml_write_disks(struct xml_out *out, const struct xml_spec *spec)
{
	const struct drive own = { .disk = *spec->disk, .boot = xml_boot_is_ordered(spec) };
	struct names names = { 0 };

	write_drive(out, spec, &own, &names);
	for (size_t i = 0; i < spec->n_drives; i++)
		write_drive(out, spec, &spec->drives[i], &names);
}
