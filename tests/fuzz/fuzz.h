/*
 * Fuzz targets: each reads bytes that come from outside and must, whatever they are, neither crash
 * nor break what it promises. With clang and -Dfuzz=true libFuzzer feeds them; replay.c runs the
 * committed corpus through them with any compiler.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A promise that was broken; unlike assert() it is there in every build. */
#define PROMISE(condition)                                                                      \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* The name and the form are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
