/* The parts of the domain XML that are about the host: its memory, processors and devices. */
#pragma once

#include "init/guest/xml.h"
#include "init/guest/xml_write.h"

/** xml_write_memory() - Huge pages, if they are asked for. */
void xml_write_memory(struct xml_out *out, const struct xml_spec *spec);

/** xml_write_pinning() - Which processors run what. @iothread: there is a thread for the disks. */
void xml_write_pinning(struct xml_out *out, const struct xml_spec *spec, bool iothread);

/** xml_write_devices() - USB and PCI devices of the host. */
void xml_write_devices(struct xml_out *out, const struct xml_spec *spec);
