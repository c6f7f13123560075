/* Has the guest a disk, or must one be brought in? */
#pragma once

#include "lib/config.h"

/**
 * need_import() - Is there a source that is not used in place, and neither a disk nor a base nor a
 * domain of one's own?
 */
bool need_import(const struct guest_config *config);
