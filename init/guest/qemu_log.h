/* The end of QEMU's log, for the moment when it matters. */
#pragma once

#include <stddef.h>

/**
 * qemu_log_tail() - The last lines that QEMU itself wrote, without libvirt's command lines.
 * @directory: QEMU_LOG_DIRECTORY
 * @ret_text: the lines; empty if there are none
 */
void qemu_log_tail(const char *directory, const char *name, size_t size, char *ret_text);

#define QEMU_LOG_DIRECTORY "/var/log/libvirt/qemu"
