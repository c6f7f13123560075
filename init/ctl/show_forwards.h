/* The forwards for people: a line for each, in columns. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/** show_forwards() - The forwards of a status, their counters, and what was done for them. */
void show_forwards(FILE *out, const json_t *status);
