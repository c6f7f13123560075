/*
 * Everything that PID 1 does to the world beside answering on its sockets. The state machines ask
 * for it through this table, the real ones are in effects.c, the tests have their own.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct pid1;
struct service;

struct effects {
	void *context;
	/* Start a service's process. Return: its pid, or -errno. */
	pid_t (*spawn)(void *context, struct service *service);
	/*
	 * Send a signal with a value to a service's process, and SIGCONT so that a stopped one can
	 * act on it.
	 */
	void (*kill)(void *context, const struct service *service, int signal, int value);
	/* A service's state changed from @old (enum service_state). */
	void (*changed)(void *context, const struct service *service, int old);
	/*
	 * Send a signal to every child that is no service's process: what was reparented to PID 1.
	 */
	void (*kill_rest)(void *context, int signal);
	/* Say which children are left, now that nobody waits for them any longer. */
	void (*name_rest)(void *context);
	/* A number by chance, up to @limit. */
	unsigned (*chance)(void *context, unsigned limit);
};

/** effects_init() - The real ones. */
void effects_init(struct effects *effects, struct pid1 *pid1);
