/* The end of QEMU's log, for the moment when it matters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * qemu_log_tail() - The last lines that QEMU itself wrote, without libvirt's command lines.
 * @directory: QEMU_LOG_DIRECTORY
 * @ret_text: the lines; empty if there are none
 */
void qemu_log_tail(const char *directory, const char *name, size_t size, char *ret_text);

/**
 * qemu_log_is_words() - Is this line QEMU's own, and not one of libvirt's command lines?
 * @continued: kept from line to line, false in the beginning
 */
bool qemu_log_is_words(const char *line, size_t length, bool *continued);

#define QEMU_LOG_DIRECTORY "/var/log/libvirt/qemu"
