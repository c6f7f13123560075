/* casement-guest --xml: the domain XML that a start here would define, without a start. */
#pragma once

#include "lib/config.h"

/**
 * describe_guest() - Print it to stdout.
 *
 * Nothing is made, changed or locked. Whatever had to be assumed, because it is not there or nobody
 * answers, is said in a warning; so is what would keep the guest from starting here.
 *
 * Return: an exit code, 0 or that of the start's failure.
 */
int describe_guest(const struct config *config);
