#include "image/need.h"

#include "lib/frozen_suffix.h"
#include "lib/install_mark.h"
#include "lib/util.h"

#include <sys/stat.h>

/** is_frozen() - Is there a guest in the image that disks are made from? */
static bool is_frozen(const char *base)
{
	autofree char *link = NULL;
	struct stat status;

	if (asprintf(&link, "%s" FROZEN_SUFFIX, base) < 0) {
		link = NULL;
		return false;
	}
	return lstat(link, &status) == 0;
}

enum need need_of(const struct guest_config *config)
{
	bool has_disk = access(config->disk, F_OK) == 0;

	/* What an own definition boots is its own affair. */
	if (config->xml || config->in_place || (!config->source && !config->iso))
		return NEED_NOTHING;
	if (has_disk)
		return config->iso && install_mark_holds(config->disk) ? NEED_INSTALL
								       : NEED_NOTHING;
	if (access(config->base, F_OK) == 0 || is_frozen(config->base))
		return NEED_NOTHING;
	return config->iso ? NEED_INSTALL : NEED_IMPORT;
}
