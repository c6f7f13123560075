/* What the container may use of the host: memory and processors, as its cgroups say. */
#pragma once

#include <stdint.h>

struct allowance {
	uint64_t memory;      /* bytes that somebody limited the container to; UINT64_MAX: nobody */
	uint64_t host_memory; /* bytes; 0: unknown */
	unsigned quota;	      /* processors' worth of time, rounded up; UINT_MAX: no limit */
	unsigned processors;  /* that this process may run on; UINT_MAX: unknown */
};

/**
 * allowance_read() - Look.
 * @root: the directory that has proc and sys, "" outside of tests
 *
 * Of every cgroup that this process is in and of all above it that can be seen the tightest limit
 * counts. What is missing, cannot be read or makes no sense limits nothing.
 */
void allowance_read(const char *root, struct allowance *ret_allowance);
