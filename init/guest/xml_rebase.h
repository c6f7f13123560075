/* A saved domain on another disk of the same name. */
#pragma once

#include "init/guest/disk.h"

/**
 * xml_rebase() - A domain's XML with other images below its disk, and cached as it has to be here.
 * @xml: as libvirt saved it, with the images that the disk had below it then
 * @disk: the disk as it is now, with the same path
 * @ret_xml: allocated
 *
 * Return: 0, -EBADMSG if the XML has no such disk, or -ENOMEM.
 */
int xml_rebase(const char *xml, const struct disk *disk, char **ret_xml);
