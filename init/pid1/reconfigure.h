/* SIGHUP, PID 1's own part: the configuration is read again. */
#pragma once

#include "init/pid1/loop.h"

/**
 * reconfigure() - Read the configuration again, take over what may change while everything runs, and
 * let the services that can do the same.
 *
 * A configuration with mistakes changes nothing, and no service hears of it. This is the one thing
 * that PID 1 does after the start that allocates memory and reads files: because somebody asked for
 * it, from regular files only, and what fails is reported.
 */
void reconfigure(struct pid1 *pid1, int64_t now);
