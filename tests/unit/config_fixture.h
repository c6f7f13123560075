/* Configuration files of a test's own, and what is said about them. */
#pragma once

#include "lib/config.h"

/* A directory of its own for every test, which is where it works, and what was reported, one
 * message a line. The environment is empty. */
struct place {
	char directory[32];
	char said[1 << 18];
};

int enter(void **state);
int leave(void **state);

/** hear() - Take a report into the struct place @context. */
void hear(void *context, const char *message);

void write_bytes(const char *path, const char *text, size_t length);
void write_file(const char *path, const char *text);

/** load() - Load the file "c" with @text in it. Return: the configuration, which must be good. */
struct config *load(struct place *place, const char *text);

/** refuse_loaded() - Load the file "c"; @expected is everything that is reported, and nothing is
 * returned. */
void refuse_loaded(struct place *place, const char *expected);

/** refuse() - The same, with @text in it. */
void refuse(struct place *place, const char *text, const char *expected);
