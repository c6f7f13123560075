/* The part of the domain XML that is disks and CDs. */
#pragma once

#include "init/guest/xml.h"
#include "init/guest/xml_write.h"

/** xml_boot_is_ordered() - Do the disks themselves say which is tried when? Then <os> must not. */
bool xml_boot_is_ordered(const struct xml_spec *spec);

/** xml_write_disks() - The guest's own disk, and the drives in their order. */
void xml_write_disks(struct xml_out *out, const struct xml_spec *spec);
