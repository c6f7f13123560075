/* Where on the host the guest's memory and its processors are: huge pages, and pinning. */
#pragma once

#include "lib/failure.h"

#include <sched.h>
#include <stdint.h>

/**
 * placement_page_size() - Bytes of each huge page.
 * @root: the directory that has proc, "" outside of tests
 * @hugepages: [guest] hugepages, not 0
 *
 * Return: 0 if the kernel has none.
 */
uint64_t placement_page_size(const char *root, uint64_t hugepages);

/**
 * placement_check_pages() - Can a guest that starts now have its memory in huge pages?
 * @root: the directory that has proc and sys
 * @page: bytes of each; 0: there are none
 * @memory: of the guest, in MiB
 *
 * Return: 0, or -errno with @failure filled.
 */
int placement_check_pages(const char *root, uint64_t page, uint64_t memory,
			  struct failure *failure);

/**
 * placement_check_pin() - Can the guest be pinned to these processors?
 * @pin: [guest] pin; empty: it is not asked for
 *
 * Return: 0, or -errno with @failure filled.
 */
int placement_check_pin(const cpu_set_t *pin, struct failure *failure);

/** placement_of() - The processors of the virtual processor @i of @n, out of @pin. */
cpu_set_t placement_of(const cpu_set_t *pin, unsigned i, unsigned n);

/** placement_of_rest() - Those of QEMU's other threads. */
cpu_set_t placement_of_rest(const cpu_set_t *pin, unsigned n);
