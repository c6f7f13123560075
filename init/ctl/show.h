/* The status for people: PID 1's JSON as a few aligned lines. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/**
 * show_status() - Print a status line as text.
 * @json: one JSON object, as the status socket gives it
 * @coloured: use colours for states
 *
 * Return: 0, or -EBADMSG when it is not a status.
 */
int show_status(FILE *out, const char *json, bool coloured);
