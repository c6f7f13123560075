/* Making what lies between PID 1 and its services, before the first one starts. */
#pragma once

#include "init/pid1/loop.h"

/**
 * channel_open() - The socket, the pipe and the looked-up facts that a service's processes get.
 * Problems are logged. Return: 0, -ESRCH for a user or group that does not exist, or -errno.
 */
int channel_open(struct channel *channel, const struct service_config *config, int epoll_fd,
		 size_t index);
