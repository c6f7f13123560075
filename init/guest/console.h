/*
 * The guest in the container's log: what it writes to its serial port, and what QEMU says, line by
 * line, from virtlogd's files. Nothing of it touches the guest.
 *
 * Whatever the guest writes, it costs a bounded share: a few kilobytes each time that the event
 * loop comes by, and in the long run so much a second. What is over that is left out and counted;
 * the files have it.
 */
#pragma once

#include "init/guest/follow.h"
#include "init/guest/timer.h"
#include "lib/config.h"

/* Bytes of log: at once, and a second in the long run. */
#define CONSOLE_BURST ((int64_t)256 * 1024)
#define CONSOLE_RATE ((int64_t)8 * 1024)
/* One that has used up what it may waits this long, so that it says something in one piece. */
#define CONSOLE_PAUSE_MS 10000

struct console_stream {
	const char *label;
	char *path;
	bool commands;	/* libvirt's command lines are among its lines, and are left out */
	bool continued; /* see qemu_log_is_words() */
	struct follow follow;
	struct timer timer;
	int inotify;
	int watch;
	bool paused;
	int64_t allowance; /* bytes that it may write now */
	int64_t counted;   /* when that was */
};

struct console {
	struct console_stream streams[2];
	size_t n;
};

/**
 * console_init() - Follow, from now on, what is wanted. What cannot be followed is said.
 * @serial: path of the file
 * @qemu: path of the file
 */
void console_init(struct console *console, enum log_console wanted, const char *serial,
		  const char *qemu);

/** console_finish() - The guest is gone: what is left of its words, at most a burst. */
void console_finish(struct console *console);

void console_clear(struct console *console);
