/*
 * One deadline in the event loop. libvirt's own timeouts follow the wall clock, which may be set;
 * this one follows CLOCK_MONOTONIC.
 */
#pragma once

#include <stdint.h>

typedef void timer_fn(void *context);

struct timer {
	timer_fn *fired;
	void *context;
	int fd;
	int watch;
	int64_t at;
};

/** timer_init() - Return: 0 or -errno. */
int timer_init(struct timer *timer, timer_fn *fired, void *context);

/**
 * timer_set() - Fire once @at has come, in ms as from now_ms(); INT64_MAX: never. It replaces what
 * was set before.
 */
void timer_set(struct timer *timer, int64_t at);

void timer_clear(struct timer *timer);
