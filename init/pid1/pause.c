#include "init/pid1/pause.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

/* A shorter pause is as any other time. */
#define FROZEN_MS 1000

/* "TIME-ON-CPU TIME-ON-RUN-QUEUE TIMESLICES", in ns and ns: proc(5) has no word of it, but
 * Documentation/scheduler/sched-stats.rst of the kernel does. */
#define SCHEDSTAT "/proc/self/schedstat"

void pause_init(struct pause *pause)
{
	*pause = (struct pause){ .schedstat_fd = open(SCHEDSTAT, O_RDONLY | O_CLOEXEC) };
	if (pause->schedstat_fd < 0)
		log_debug("%s: %s: a shortage of CPU will look like a pause", SCHEDSTAT,
			  strerror(errno));
}

/* ms that PID 1 ran, or would have if it had had a processor. */
static int64_t busy_ms(const struct pause *pause)
{
	uint64_t ran, queued;
	struct timespec used;
	char text[96];
	ssize_t n = -1;

	if (pause->schedstat_fd >= 0)
		n = pread(pause->schedstat_fd, text, sizeof(text) - 1, 0);
	if (n > 0) {
		text[n] = '\0';
		if (sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &queued) == 2)
			return (int64_t)((ran + queued) / 1000000);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void watch(struct pause *pause, int64_t now)
{
	pause->since = now;
	pause->busy = busy_ms(pause);
}

void pause_begin(struct pause *pause, int wait)
{
	if (wait >= 0 && !pause->watching)
		watch(pause, now_ms());
	pause->watching = wait >= 0;
}

int64_t pause_end(struct pause *pause, int wait, int64_t now)
{
	int64_t begin = pause->since, busy = pause->busy, lost;

	if (!pause->watching)
		return 0;
	watch(pause, now);
	lost = now - begin - wait - (pause->busy - busy);
	return lost > FROZEN_MS ? lost : 0;
}
