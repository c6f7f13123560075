#include "init/pid1/output.h"

#include "init/pid1/json.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

/* PIPE_BUF, so that lines of several writers do not mix. */
#define OUTPUT_WRITE_MAX ((size_t)4096)

/* What a line has besides the text, at most: the time, the level, a service's name. */
#define OUTPUT_FRAME ((size_t)256)

void output_open(struct output *output)
{
	struct stat status;
	/*
	 * O_NONBLOCK on fd 2 itself would change it for everybody who shares it; a new description
	 * is ours alone. A regular file never blocks, and a second description would have an offset
	 * of its own.
	 */
	bool regular = fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode);
	int fd = regular ? -1
			 : open("/proc/self/fd/2",
				O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*output = (struct output){
		.fd = fd >= 0 ? fd : STDERR_FILENO,
		.blocking = fd < 0 && !regular,
		.coloured = isatty(STDERR_FILENO) == 1,
		.level = LOG_LEVEL_INFO,
	};
}

void output_configure(struct output *output, const struct log_config *config)
{
	output->format = config->format;
	output->level = config->level;
}

static bool write_whole(struct output *output, const char *line, size_t length)
{
	struct pollfd poller = { .fd = output->fd, .events = POLLOUT };

	if (output->blocking && poll(&poller, 1, 0) != 1)
		return false;
	for (;;) {
		ssize_t n = write(output->fd, line, length);

		/*
		 * A pipe takes up to PIPE_BUF bytes as a whole or not at all; only a terminal or a
		 * socket may take a part.
		 */
		if (n >= 0)
			return true;
		if (errno != EINTR)
			return false;
	}
}

static const char *colour(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR: return "\x1b[31m";
	case LOG_LEVEL_WARNING: return "\x1b[33m";
	case LOG_LEVEL_INFO:
	case LOG_LEVEL_DEBUG: break;
	}
	return "";
}

/*
 * Copy a text without what a terminal would obey: with an escape sequence or a carriage return a
 * child could write over the line's beginning, and so make it look like one of PID 1's. C1, which
 * is two bytes in UTF-8, is obeyed by some as well.
 */
static void copy_printable(char *to, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)from[i];
		bool c0 = (byte < ' ' && byte != '\t') || byte == 0x7f;
		bool c1 =
			i > 0 && (unsigned char)from[i - 1] == 0xc2 && byte >= 0x80 && byte < 0xa0;

		to[i] = from[i];
		if (c0 || c1)
			to[i] = '?';
		if (c1)
			to[i - 1] = '?';
	}
}

static size_t format_text(const struct output *output, char *line, size_t size,
			  enum log_level level, const char *module, const char *text, size_t length)
{
	const char *paint = output->coloured ? colour(level) : "";
	const char *end = *paint ? "\x1b[0m\n" : "\n";
	size_t n = (size_t)snprintf(line, OUTPUT_FRAME, "%s%s %s: ", paint, log_level_name(level),
				    module);

	if (n >= OUTPUT_FRAME)
		n = OUTPUT_FRAME - 1;
	if (length > size - n - sizeof("\x1b[0m\n"))
		length = size - n - sizeof("\x1b[0m\n");
	copy_printable(line + n, text, length);
	n += length;
	return n + (size_t)snprintf(line + n, size - n, "%s", end);
}

static size_t format_json(char *line, size_t size, enum log_level level, const char *module,
			  const char *text, size_t length)
{
	struct json json = { .at = line, .size = size - 1 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_object_begin(&json, NULL);
	json_number(&json, "time_ms", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	json_string(&json, "level", log_level_name(level));
	json_string(&json, "module", module);
	json_bytes(&json, "text", text, length);
	json_object_end(&json);
	line[json.length] = '\n';
	return json.length + 1;
}

/* How much of the text is whole characters of UTF-8: all but the beginning of one at its end. */
static size_t whole_characters(const char *text, size_t length)
{
	for (size_t back = 1; back < 4 && back < length; back++) {
		unsigned char byte = (unsigned char)text[length - back];
		size_t needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;

		if ((byte & 0xc0) != 0x80)
			return needed > back ? length - back : length;
	}
	return length;
}

/* How much of the text one object holds: JSON may need six bytes for one. */
static size_t json_piece(const char *text, size_t length)
{
	size_t room = OUTPUT_WRITE_MAX - OUTPUT_FRAME;

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];
		size_t needed = 1;

		if (byte < ' ' || byte == 0x7f)
			needed = 6;
		else if (byte >= 0x80)
			needed = 3; /* one that is no UTF-8; others need less */
		else if (byte == '"' || byte == '\\')
			needed = 2;
		if (needed > room)
			return whole_characters(text, i);
		room -= needed;
	}
	return length;
}

static bool write_line(struct output *output, enum log_level level, const char *module,
		       const char *text, size_t length)
{
	char line[OUTPUT_WRITE_MAX];
	size_t n = output->format == LOG_FORMAT_JSON
			   ? format_json(line, sizeof(line), level, module, text, length)
			   : format_text(output, line, sizeof(line), level, module, text, length);

	return write_whole(output, line, n);
}

static void write_or_count(struct output *output, enum log_level level, const char *module,
			   const char *text, size_t length)
{
	char notice[80];
	int n;

	if (output->dropped) {
		n = snprintf(notice, sizeof(notice), "%llu lines were dropped: nobody read the log",
			     (unsigned long long)output->dropped);
		if (write_line(output, LOG_LEVEL_WARNING, "casement", notice, (size_t)n))
			output->dropped = 0;
	}
	if (output->dropped || !write_line(output, level, module, text, length)) {
		output->dropped++;
		output->dropped_in_all++;
	}
}

void output_line(struct output *output, enum log_level level, const char *module, const char *text,
		 size_t length)
{
	if ((unsigned)level > output->level)
		return;
	do {
		size_t n = output->format == LOG_FORMAT_JSON ? json_piece(text, length) : length;

		write_or_count(output, level, module, text, n);
		text += n;
		length -= n;
	} while (length);
}

void output_sink(void *context, enum log_level level, const char *text, size_t length)
{
	output_line(context, level, "casement", text, length);
}

int output_pipe_open(struct output_pipe *pipe)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* Only our end: children expect a stdout that blocks. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		int error = errno;

		close(fds[0]);
		close(fds[1]);
		return -error;
	}
	*pipe = (struct output_pipe){ .read_fd = fds[0], .write_fd = fds[1] };
	return 0;
}

/* FNV-1a of 64 bits: the line itself need not be kept. Never 0. */
static uint64_t hash(const char *bytes, size_t n)
{
	uint64_t value = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		value = (value ^ (uint8_t)bytes[i]) * 0x100000001b3;
	return value ? value : 1;
}

/* Say how often the last line was repeated, if that is not known yet. */
static void tell_repeated(struct output *output, struct output_pipe *pipe, const char *module)
{
	unsigned more = pipe->repeated - pipe->told;
	char text[64];
	int n;

	if (!more)
		return;
	if (more == 1)
		n = snprintf(text, sizeof(text), "the last line came once more");
	else
		n = snprintf(text, sizeof(text), "the last line came %u times more", more);
	output_line(output, LOG_LEVEL_INFO, module, text, (size_t)n);
	pipe->told = pipe->repeated;
}

static bool is_power_of_ten(unsigned number)
{
	while (number >= 10 && number % 10 == 0)
		number /= 10;
	return number == 1;
}

/* Return: whether the line is the last one again, and is not to be written. */
static bool collapse(struct output *output, struct output_pipe *pipe, const char *module,
		     const char *line, size_t length)
{
	uint64_t value = hash(line, length);

	if (value == pipe->last) {
		pipe->repeated++;
		if (pipe->repeated > 1 && is_power_of_ten(pipe->repeated))
			tell_repeated(output, pipe, module);
		return true;
	}
	tell_repeated(output, pipe, module);
	pipe->last = value;
	pipe->repeated = pipe->told = 0;
	return false;
}

/* A line may begin with <N>, its level: sd-daemon(3). */
static void write_child_line(struct output *output, struct output_pipe *pipe, const char *module,
			     const char *line, size_t length)
{
	enum log_level level = LOG_LEVEL_INFO;

	if (length >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
		static const enum log_level levels[] = {
			LOG_LEVEL_ERROR,   LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, LOG_LEVEL_ERROR,
			LOG_LEVEL_WARNING, LOG_LEVEL_INFO,  LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG,
		};

		level = levels[line[1] - '0'];
		line += 3;
		length -= 3;
	}
	if (length && line[length - 1] == '\r')
		length--;
	if (length && (unsigned)level <= output->level &&
	    !collapse(output, pipe, module, line, length))
		output_line(output, level, module, line, length);
}

size_t output_pipe_drain(struct output *output, struct output_pipe *pipe, const char *module)
{
	ssize_t n =
		read(pipe->read_fd, pipe->line + pipe->length, sizeof(pipe->line) - pipe->length);
	size_t begin = 0;

	if (n <= 0)
		return 0;
	pipe->length += (size_t)n;
	for (;;) {
		const char *end = memchr(pipe->line + begin, '\n', pipe->length - begin);

		if (!end)
			break;
		write_child_line(output, pipe, module, pipe->line + begin,
				 (size_t)(end - pipe->line) - begin);
		begin = (size_t)(end - pipe->line) + 1;
	}
	if (begin == 0 && pipe->length == sizeof(pipe->line)) {
		/* A piece of a line is not the last piece once more. */
		pipe->last = 0;
		begin = whole_characters(pipe->line, pipe->length);
		write_child_line(output, pipe, module, pipe->line, begin);
	}
	pipe->length -= begin;
	memmove(pipe->line, pipe->line + begin, pipe->length);
	return (size_t)n;
}

void output_pipe_finish(struct output *output, struct output_pipe *pipe, const char *module)
{
	size_t n, taken = 0;

	/* At most what a pipe holds: another writer may still be there, and never stop. */
	do {
		n = output_pipe_drain(output, pipe, module);
		taken += n;
	} while (n && taken < 65536);
	write_child_line(output, pipe, module, pipe->line, pipe->length);
	pipe->length = 0;
	tell_repeated(output, pipe, module);
	/* The next process says what it has to say, even if it is the same. */
	pipe->last = 0;
}
