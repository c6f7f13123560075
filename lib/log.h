/*
 * One line per event on stderr: `level module: text`, or a JSON object.
 *
 * A child of PID 1 writes `<N>text` instead (the syslog level prefix of sd-daemon(3)): PID 1 reads
 * it from a pipe, adds the service's name and writes the line in the container's format.
 */
#pragma once

#include "lib/util.h"

#include <stdarg.h>

/* Numbered as in syslog(3), so that the prefix needs no table. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/** log_open() - Use @module as the default module's name; write for PID 1 when it started this
 * process. */
void log_open(const char *module);

/** log_set_level() - Drop everything less important than @level. */
void log_set_level(unsigned level);

/** log_redirect() - Hand every line to @sink instead of stderr: PID 1 writes without ever blocking.
 */
void log_redirect(void (*sink)(void *context, enum log_level level, const char *text,
			       size_t length),
		  void *context);

/** log_level_name() - "error", "warning", "info" or "debug". */
const char *log_level_name(unsigned level);

/** log_message() - Write one line; @text may hold line breaks, each becomes a line. */
void log_message(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
