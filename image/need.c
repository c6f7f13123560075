#include "image/need.h"

#include <unistd.h>

bool need_import(const struct guest_config *config)
{
	/* What an own definition boots is its own affair. */
	return config->source && !config->in_place && !config->xml && access(config->disk, F_OK) &&
	       access(config->base, F_OK);
}
