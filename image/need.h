/* Has the guest a disk, or must one be brought in? */
#pragma once

#include "lib/config.h"

enum need {
	NEED_NOTHING,
	NEED_IMPORT,  /* of [guest] source, unless that is used in place */
	NEED_INSTALL, /* from [guest] iso: to be begun, or under way */
};

/** need_of() - What there is to do before the guest can be started. */
enum need need_of(const struct guest_config *config);
