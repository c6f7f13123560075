/*
 * SIGHUP, PID 1's own part: the configuration is read again. Reading a file may block, on a network
 * file system for instance, so a child does that; PID 1 takes the texts when it is done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pid1;

struct reader {
	pid_t pid;	  /* 0: nothing is being read */
	int copy_fd;	  /* a memfd with what the child has read */
	int64_t deadline; /* CLOCK_MONOTONIC in ms */
	bool again;	  /* SIGHUP came meanwhile */
};

/**
 * reconfigure() - SIGHUP: begin to read the configuration again.
 *
 * When it is read, what may change while everything runs is taken over, and the services that can
 * do the same are told. A configuration with mistakes changes nothing, and no service hears of it.
 * This is the one thing that PID 1 does after the start that allocates memory: because somebody
 * asked for it, and what fails is reported.
 */
void reconfigure(struct pid1 *pid1, int64_t now);

/** reconfigure_reaped() - A child has ended; if it was the reader, take what it has read. */
void reconfigure_reaped(struct pid1 *pid1, pid_t pid, int wait_status, int64_t now);

/** reconfigure_step() - Give up what takes too long, and all when the stop has begun. */
void reconfigure_step(struct pid1 *pid1, int64_t now);

/** reconfigure_next_deadline() - When reconfigure_step() has to be called at the latest, or NEVER.
 */
int64_t reconfigure_next_deadline(const struct pid1 *pid1);
