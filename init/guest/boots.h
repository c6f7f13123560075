/* How often the guest has booted since its QEMU started; kept in a file, so that a restart of casement-guest forgets nothing. */
#pragma once

#include <sys/types.h>

/** boots_load() - The count for this QEMU; 0 if it is not known. */
unsigned boots_load(const char *path, pid_t qemu);

/** boots_save() - Keep it; a failure is of no consequence. */
void boots_save(const char *path, pid_t qemu, unsigned boots);
