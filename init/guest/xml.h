/* The domain XML: a pure function of what was decided and found elsewhere. */
#pragma once

#include "init/guest/capabilities.h"
#include "init/guest/drive.h"
#include "init/guest/size.h"
#include "lib/config.h"

/* Where the guest's serial port is logged, by virtlogd and bounded by it. */
#define XML_SERIAL_LOG "/var/log/casement/serial.log"

struct xml_spec {
	const struct guest_config *config; /* name, profile, firmware, tpm, mac */
	const struct size *size;
	const struct disk *disk;
	const struct drive *drives;	     /* in the order of their names */
	size_t n_drives;		     /* at most DRIVES_MAX */
	const struct device_config *devices; /* USB and PCI devices of the host are taken */
	size_t n_devices;
	uint64_t page;	   /* bytes of each huge page; 0: ordinary memory */
	const char *uuid;  /* empty: libvirt makes one up */
	const char *nvram; /* path of the UEFI variables */
	const char *bridge;
	unsigned mtu; /* 0: not said */
	bool kvm;
	bool intel;	 /* host_is_intel() */
	uint32_t hyperv; /* struct capabilities */
};

/**
 * xml_build() - The XML of the guest.
 * @ret_xml: allocated
 *
 * Return: 0, -EILSEQ if a name or path is not valid UTF-8, or -ENOMEM.
 */
int xml_build(const struct xml_spec *spec, char **ret_xml);
