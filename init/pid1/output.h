/*
 * What is written to the container's log: PID 1's own lines and those of its children, one write
 * each, never blocking. A line that the reader of stderr has no room for is dropped and counted;
 * the next one that fits is preceded by the count.
 */
#pragma once

#include "lib/config.h"
#include "lib/log.h"

#include <stdint.h>

/* The longest line of a child that stays in one piece. */
#define OUTPUT_LINE_MAX 1024

struct output {
	int fd;	       /* an own, non-blocking description of stderr where that can be had */
	bool blocking; /* it could not: ask poll before each write */
	bool coloured; /* stderr is a terminal */
	enum log_format format;
	unsigned level;
	uint64_t dropped; /* since the last line that went through */
	uint64_t dropped_in_all;
};

/*
 * A child's stdout and stderr: the pipe lives as long as the service's entry, so a restart loses
 * nothing. A line that comes again and again is written once, and then how often it came: when
 * another one follows, when the child is gone, and in between each time that it is ten times as
 * often.
 */
struct output_pipe {
	int read_fd;
	int write_fd; /* what children get */
	size_t length;
	uint64_t last;	   /* hash of the last line, 0: there was none */
	unsigned repeated; /* how often it came again */
	unsigned told;	   /* of these, how many were reported */
	char line[OUTPUT_LINE_MAX];
};

void output_open(struct output *output);

/** output_configure() - Format and level, once the configuration is known. */
void output_configure(struct output *output, const struct log_config *config);

/** output_line() - Write one line of @module's. */
void output_line(struct output *output, enum log_level level, const char *module, const char *text,
		 size_t length);

/** output_sink() - For log_redirect(); @context is the struct output. */
void output_sink(void *context, enum log_level level, const char *text, size_t length);

/** output_pipe_open() - Return: 0 or -errno. */
int output_pipe_open(struct output_pipe *pipe);

/**
 * output_pipe_drain() - Take what is there, at most one buffer full so that nobody starves, and
 * write the whole lines. Return: the number of bytes that were there.
 */
size_t output_pipe_drain(struct output *output, struct output_pipe *pipe, const char *module);

/** output_pipe_finish() - The writer is gone: take all that is there, and what has no line break is
 * a line. */
void output_pipe_finish(struct output *output, struct output_pipe *pipe, const char *module);
