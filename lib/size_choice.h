/* How much of what the container may use the guest gets: [guest] memory and cpus. */
#pragma once

#include <stdint.h>

enum memory_kind {
	MEMORY_SIZE,	/* so many bytes */
	MEMORY_PERCENT, /* such a part of what the container may use */
	MEMORY_MAX,	/* all that QEMU and the services do not need */
};

struct memory_choice {
	enum memory_kind kind;
	unsigned percent; /* MEMORY_PERCENT: 1 to 100 */
	uint64_t bytes;	  /* MEMORY_SIZE */
};

/* Below that not even the firmware starts. */
#define MEMORY_MIN (UINT64_C(64) << 20)

/** memory_choice_parse() - `4G`, `50%`, `max`. Return: NULL, or why it is none. */
const char *memory_choice_parse(const char *text, struct memory_choice *ret_choice);

/* As many as the container may use; not a number that can be written. */
#define CPUS_MAX 0
/* More need an interrupt controller that Windows 10 has no use for. */
#define CPUS_LIMIT 255

/** cpus_choice_parse() - A number from 1 to CPUS_LIMIT, or `max`. Return: as above. */
const char *cpus_choice_parse(const char *text, unsigned *ret_cpus);
