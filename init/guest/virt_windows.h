/* A job before a guest is frozen: is Windows in the middle of something? It runs in the worker's
 * thread. */
#pragma once

#include "init/guest/virt.h"

/**
 * virt_ask_windows() - Ask Windows, through its agent, whether an update or a restart is pending or
 * under way. Takes some seconds.
 *
 * Return: 0, also for other systems, with nothing in @result's text, or why it could not be asked;
 * -EBUSY with @result's text filled: it had better not be frozen.
 */
int virt_ask_windows(virDomain *domain, struct virt_result *result);
