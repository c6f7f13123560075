/*
 * What must be right before anything starts: devices, capabilities, the run directory. Every
 * problem is reported, each with its remedy, and there is no half-started container.
 */
#pragma once

#include "lib/config.h"

/**
 * preflight_names() - Do the users, groups and capabilities that the services name exist?
 * Return: 0, or -ESRCH after every one that does not was logged.
 */
int preflight_names(const struct config *config);

/** preflight_alone() - Is there no other casement in this container? Return: 0, or -EBUSY after it
 * was logged. */
int preflight_alone(void);

/** preflight_prepare() - Change what may be changed: device groups and modes, stale files, the run
 * directory. */
int preflight_prepare(const struct config *config);

/** preflight_check() - Look without touching. Return: 0, or -ENODEV after the problems were logged.
 */
int preflight_check(const struct config *config);
