#include "image/need.h"

#include "lib/install_mark.h"

#include <unistd.h>

enum need need_of(const struct guest_config *config)
{
	bool has_disk = access(config->disk, F_OK) == 0;

	/* What an own definition boots is its own affair. */
	if (config->xml || config->in_place || (!config->source && !config->iso))
		return NEED_NOTHING;
	if (has_disk)
		return config->iso && install_mark_holds(config->disk) ? NEED_INSTALL
								       : NEED_NOTHING;
	if (access(config->base, F_OK) == 0)
		return NEED_NOTHING;
	return config->iso ? NEED_INSTALL : NEED_IMPORT;
}
