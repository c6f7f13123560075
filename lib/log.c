#include "lib/log.h"

#include "lib/util.h"

#include <errno.h>

/* The one mutable global of the project: where lines go and which are wanted. */
static struct {
	char module[32];
	unsigned level;
	bool for_pid1;
	void (*sink)(void *context, enum log_level level, const char *text, size_t length);
	void *context;
} logger = { .level = LOG_LEVEL_INFO };

void log_open(const char *module)
{
	snprintf(logger.module, sizeof(logger.module), "%s", module);
	logger.for_pid1 = getenv("NOTIFY_SOCKET") != NULL;
}

void log_set_level(unsigned level)
{
	logger.level = level;
}

void log_redirect(void (*sink)(void *context, enum log_level level, const char *text,
			       size_t length),
		  void *context)
{
	logger.sink = sink;
	logger.context = context;
}

const char *log_level_name(unsigned level)
{
	switch (level) {
	case LOG_LEVEL_ERROR: return "error";
	case LOG_LEVEL_WARNING: return "warning";
	case LOG_LEVEL_DEBUG: return "debug";
	default: return "info";
	}
}

static void write_line(enum log_level level, const char *text, int length)
{
	char line[1200];
	int n;
	ssize_t written;

	if (logger.for_pid1)
		n = snprintf(line, sizeof(line), "<%d>%.*s\n", (int)level, length, text);
	else
		n = snprintf(line, sizeof(line), "%s %s: %.*s\n", log_level_name(level),
			     logger.module, length, text);
	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	do
		written = write(STDERR_FILENO, line, (size_t)n);
	while (written < 0 && errno == EINTR);
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[4096];
	va_list arguments;
	int saved_errno = errno;

	if ((unsigned)level > logger.level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");

		if (length && logger.sink)
			logger.sink(logger.context, level, at, length);
		else if (length)
			write_line(level, at, (int)length);
		at += length + (at[length] == '\n');
	}
	errno = saved_errno;
}
