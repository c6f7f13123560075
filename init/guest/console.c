/*
 * Each file's directory is watched by an inotify instance of its own: a file that is renamed and
 * made anew is seen like one that grows, and one that says too much is not listened to for a while
 * without making the other one wait. Nobody is woken while nothing is written.
 */
#include "init/guest/console.h"

#include "init/guest/qemu_log.h"
#include "lib/log.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* Of a file, each time that the loop comes by: with its lines it fits into a pipe. */
#define ROUND_BYTES 4096
/* What a line costs besides its text: the label, the level, the service's name. */
#define LINE_COST 40

static void write_line(void *context, const char *line, size_t length, bool ended)
{
	struct console_stream *stream = context;

	if (stream->commands) {
		bool inside = stream->continued;
		bool words = ended ? qemu_log_is_words(line, length, &stream->continued) : !inside;

		if (!words)
			return;
	}
	if (!length)
		return;
	stream->allowance -= (int64_t)length + LINE_COST;
	log_info("%s: %.*s", stream->label, (int)length, line);
}

static void tell_left_out(struct console_stream *stream)
{
	if (stream->follow.left_out)
		log_warning("%s: %llu bytes were left out, more than the log takes: see %s",
			    stream->label, (unsigned long long)stream->follow.left_out,
			    stream->path);
	stream->follow.left_out = 0;
}

/** refill() - What was not used adds up to a burst. */
static void refill(struct console_stream *stream, int64_t now)
{
	int64_t more = (now - stream->counted) * CONSOLE_RATE / 1000;

	stream->counted = now;
	stream->allowance += more < CONSOLE_BURST ? more : CONSOLE_BURST;
	if (stream->allowance > CONSOLE_BURST)
		stream->allowance = CONSOLE_BURST;
}

/** carry_on() - A little of what is there, then it is the others' turn. */
static void carry_on(struct console_stream *stream)
{
	int64_t now = now_ms();

	refill(stream, now);
	if (stream->paused) {
		stream->paused = false;
		virEventUpdateHandle(stream->watch, VIR_EVENT_HANDLE_READABLE);
		/* A part, so that short lines do not use it up before the newest comes. */
		follow_skip(&stream->follow,
			    stream->allowance > 0 ? (uint64_t)stream->allowance / 4 : 0);
		tell_left_out(stream);
	}
	if (stream->allowance <= 0) {
		stream->paused = true;
		virEventUpdateHandle(stream->watch, 0);
		timer_set(&stream->timer, now + CONSOLE_PAUSE_MS);
	} else if (follow_read(&stream->follow, ROUND_BYTES)) {
		timer_set(&stream->timer, now);
	}
}

static void on_timer(void *context)
{
	carry_on(context);
}

static void on_change(int watch, int fd, int events, void *opaque)
{
	struct console_stream *stream = opaque;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)watch;
	(void)events;
	/* What happened does not matter: the files are looked at. More of it comes again. */
	if (read(fd, buffer, sizeof(buffer)) > 0 && !stream->paused)
		carry_on(stream);
}

/** watch_directory() - Return: 0 or -errno. */
static int watch_directory(struct console_stream *stream)
{
	autofree char *directory =
		strndup(stream->path, (size_t)(strrchr(stream->path, '/') - stream->path));

	if (!directory)
		return -ENOMEM;
	/* virtlogd and libvirtd make it, too, perhaps a moment later. */
	if (mkdir(directory, 0755) && errno != EEXIST)
		return -errno;
	stream->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (stream->inotify < 0 ||
	    inotify_add_watch(stream->inotify, directory, IN_CREATE | IN_MODIFY | IN_MOVED_TO) < 0)
		return -errno;
	stream->watch = virEventAddHandle(stream->inotify, VIR_EVENT_HANDLE_READABLE, on_change,
					  stream, NULL);
	return stream->watch < 0 ? -ENOMEM : 0;
}

static void clear_stream(struct console_stream *stream)
{
	if (stream->timer.fd >= 0)
		timer_clear(&stream->timer);
	if (stream->watch >= 0)
		virEventRemoveHandle(stream->watch);
	if (stream->inotify >= 0)
		close(stream->inotify);
	follow_clear(&stream->follow);
	free(stream->path);
}

static void add(struct console *console, const char *label, const char *path, bool commands)
{
	struct console_stream *stream = &console->streams[console->n];
	int result;

	*stream = (struct console_stream){ .label = label,
					   .path = strdup(path),
					   .commands = commands,
					   .follow = { .fd = -1 },
					   .timer = { .fd = -1 },
					   .inotify = -1,
					   .watch = -1,
					   .allowance = CONSOLE_BURST,
					   .counted = now_ms() };
	result = stream->path ? timer_init(&stream->timer, on_timer, stream) : -ENOMEM;
	if (result == 0)
		result = watch_directory(stream);
	if (result) {
		log_warning("%s: the log will not have it, because %s cannot be followed: %s",
			    label, path, strerror(-result));
		clear_stream(stream);
		return;
	}
	/* After the watch: what comes in between is new. */
	follow_init(&stream->follow, stream->path, write_line, stream);
	console->n++;
}

void console_init(struct console *console, enum log_console wanted, const char *serial,
		  const char *qemu)
{
	console->n = 0;
	if (wanted & LOG_CONSOLE_SERIAL)
		add(console, "serial", serial, false);
	if (wanted & LOG_CONSOLE_QEMU)
		add(console, "qemu", qemu, true);
}

void console_finish(struct console *console)
{
	for (size_t i = 0; i < console->n; i++) {
		struct console_stream *stream = &console->streams[i];

		refill(stream, now_ms());
		follow_skip(&stream->follow, stream->allowance > ROUND_BYTES
						     ? (uint64_t)stream->allowance
						     : ROUND_BYTES);
		/* Bounded: somebody may go on writing. */
		for (size_t n = 0, more = 1; more && n < CONSOLE_BURST; n += more)
			more = follow_read(&stream->follow, ROUND_BYTES);
		follow_flush(&stream->follow);
		tell_left_out(stream);
	}
}

void console_clear(struct console *console)
{
	for (size_t i = 0; i < console->n; i++)
		clear_stream(&console->streams[i]);
	console->n = 0;
}
