/*
 * A file that says that a guest was started, and how often it has booted since; so a casement-guest
 * that is started in another's place knows what it inherits.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/** boots_load() - The count for this QEMU; 0 if it is not known. */
unsigned boots_load(const char *path, pid_t qemu);

/** boots_save() - Keep it; a failure is of no consequence. @qemu: 0 while there is none. */
void boots_save(const char *path, pid_t qemu, unsigned boots);

/** boots_inherited() - Was a guest started of which nobody has said yet how it ended? */
bool boots_inherited(const char *path);

/** boots_forget() - It has been said. */
void boots_forget(const char *path);
