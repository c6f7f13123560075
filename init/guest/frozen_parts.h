/* What the files of frozen.h have in common; for nobody else. */
#pragma once

#include "init/guest/frozen.h"
#include "lib/frozen_suffix.h"

#define FROZEN_HEAD "casement-frozen 1\n"
#define FROZEN_MANIFEST_MAX 4096

/** frozen_join() - Return: allocated, or NULL. */
char *frozen_join(const char *directory, const char *name);

/** frozen_print_facts() - The second part of the manifest. */
void frozen_print_facts(const struct frozen_facts *facts, size_t size, char *ret_text);
