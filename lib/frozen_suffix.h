/*
 * What the newest frozen guest of a base is called: BASE.frozen, a link to its directory beside it.
 * casement-guest makes and follows it (init/guest/frozen.h); where there is one casement-image has
 * nothing to import.
 */
#pragma once

#define FROZEN_SUFFIX ".frozen"
