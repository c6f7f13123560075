/* The values of [guest] that become answers: a wrong one would end Windows' set-up in its middle.
 */
#pragma once

#include "lib/config.h"
#include "lib/failure.h"

/** answer_values_check() - Return: 0, or -EINVAL with @failure filled, which names the key. */
int answer_values_check(const struct guest_config *config, struct failure *failure);
