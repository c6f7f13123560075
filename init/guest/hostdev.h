/* USB and PCI devices of the host that the guest gets: what has to be there for that. */
#pragma once

#include "lib/config.h"
#include "lib/failure.h"

/**
 * hostdev_check() - Can libvirtd give the device to a guest?
 * @root: the directory that has dev and sys, "" outside of tests
 * @device: its name is a valid one
 *
 * Return: 0, or -errno with @failure filled, which names what the container or the host lacks.
 */
int hostdev_check(const char *root, const struct device_config *device, struct failure *failure);
