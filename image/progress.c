#include "image/progress.h"

#include "lib/log.h"

#include <sys/ioctl.h>
#include <systemd/sd-daemon.h>

#define DRAW_MS 200
#define TELL_MS 1000
#define LOG_MS 5000

static unsigned columns_of_terminal(void)
{
	struct winsize size = { .ws_col = 0 };

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void progress_begin(struct progress *progress, const char *what, bool bytes, uint64_t done,
		    uint64_t total)
{
	int64_t now = now_ms();

	progress_end(progress);
	*progress = (struct progress){ .what = what,
				       .bytes = bytes,
				       .done = done,
				       .total = total,
				       .logged = now,
				       .terminal = isatty(STDERR_FILENO),
				       .notify = getenv("NOTIFY_SOCKET") != NULL };
	progress_sample(progress, now);
	if (progress->notify)
		sd_notifyf(0, "STATUS=%s", what);
}

void progress_at(struct progress *progress, uint64_t done)
{
	int64_t now = now_ms();
	char text[256];

	progress->done = done;
	if (now - progress->shown < DRAW_MS)
		return;
	progress->shown = now;
	if (progress->terminal) {
		progress_bar(progress, now, columns_of_terminal() - 1, sizeof(text), text);
		fprintf(stderr, "\r%s\033[K", text);
		progress->drawn = true;
	}
	if (now - progress->told < TELL_MS)
		return;
	progress->told = now;
	progress_text(progress, now, sizeof(text), text);
	if (progress->notify)
		sd_notifyf(0, "STATUS=%s", text);
	if (!progress->terminal && now - progress->logged >= LOG_MS) {
		progress->logged = now;
		log_info("%s", text);
	}
	progress_sample(progress, now);
}

void progress_end(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}
