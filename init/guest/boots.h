/*
 * A file that says how often the guest has booted, and whether it is up as far as anybody knows; so
 * a casement-guest that is started in another's place knows what it inherits.
 */
#pragma once

#include <sys/types.h>

struct boots {
	pid_t qemu; /* of the guest that is up, or whose end nobody has told yet; 0: none */
	unsigned n; /* boots so far */
};

/** boots_load() - What was saved last; zeros if nothing was. */
struct boots boots_load(const char *path);

/** boots_save() - A failure is of no consequence. */
void boots_save(const char *path, pid_t qemu, unsigned n);
