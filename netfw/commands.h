/* The verbs of casement-netfw. Each logs what went wrong and returns an exit code. */
#pragma once

#include "lib/config.h"

/**
 * command_run() - Make the network and keep it until SIGTERM: see run.c.
 * @file: where the configuration was read from, NULL for the usual places
 * @config: what was read; replaced when it is read again
 */
int command_run(const char *file, struct config **config);

/** command_up() - Make the network, write down what it is, tell PID 1. */
int command_up(const struct config *config);

/** command_down() - Take away what command_up() made. */
int command_down(const struct config *config);

/** command_show() - Print the ruleset that command_up() would program, with its counters. */
int command_show(const struct config *config);

/** command_check() - Say whether command_up() would work, without changing anything. */
int command_check(const struct config *config);
