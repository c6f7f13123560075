/* Lists of processors, as the kernel writes them: `0-3,8`. Pure. */
#pragma once

#include <sched.h>
#include <stddef.h>

/** processors_parse() - Return: NULL, or why it is none. */
const char *processors_parse(const char *text, cpu_set_t *ret_set);

/** processors_text() - The shortest list that says the same. Return: @buffer. */
const char *processors_text(const cpu_set_t *set, char *buffer, size_t size);
