/*
 * Time in which nobody ran: the container was paused, or the machine was stopped. It is told from
 * time in which PID 1 had to wait for a processor, as its services go on in that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pause {
	int schedstat_fd; /* -1: the kernel does not say what PID 1 waited for */
	bool watching;
	int64_t since; /* CLOCK_MONOTONIC in ms */
	int64_t busy;  /* ms that PID 1 had run or queued for a processor by then */
};

/** pause_init() - Open what the kernel says of PID 1's processor time. Where it says nothing, all
 * time in which PID 1 did not run looks like a pause. */
void pause_init(struct pause *pause);

/** pause_begin() - PID 1 is about to wait for @wait ms; -1: for ever, where no time is kept and no
 * pause matters. */
void pause_begin(struct pause *pause, int wait);

/**
 * pause_end() - That wait is over. PID 1 makes no call that blocks but this one: what was neither
 * the wait, nor work, nor the queue for a processor, was a pause. The round of work that follows
 * belongs to the next wait.
 * @now: CLOCK_MONOTONIC in ms
 *
 * Return: ms that nobody ran; 0 if it is less than FROZEN_MS.
 */
int64_t pause_end(struct pause *pause, int wait, int64_t now);
