/* Versions of boxes, compared as Vagrant compares them. Pure. */
#pragma once

/**
 * version_compare() - Return: less than, equal to or greater than 0 as @a is older than, the same
 * as or newer than @b.
 *
 * Runs of digits are numbers, runs of letters are words, the rest separates. A word makes it a
 * version before the one without: 1.0.beta is older than 1.0, which is the same as 1.0.0.
 */
int version_compare(const char *a, const char *b);
