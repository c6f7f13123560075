#include "init/guest/timer.h"

#include "lib/util.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <sys/timerfd.h>

static void on_timer(int watch, int fd, int events, void *opaque)
{
	struct timer *timer = opaque;
	uint64_t count;

	(void)watch;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	timer->at = INT64_MAX;
	timer->fired(timer->context);
}

int timer_init(struct timer *timer, timer_fn *fired, void *context)
{
	*timer = (struct timer){ .fired = fired, .context = context, .at = INT64_MAX };
	timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd < 0)
		return -errno;
	timer->watch =
		virEventAddHandle(timer->fd, VIR_EVENT_HANDLE_READABLE, on_timer, timer, NULL);
	return timer->watch < 0 ? -ENOMEM : 0;
}

void timer_set(struct timer *timer, int64_t at)
{
	struct itimerspec when = { .it_value = { .tv_sec = 0 } };

	if (at == timer->at)
		return;
	timer->at = at;
	if (at < INT64_MAX) {
		/* Zero would disarm it; a time that has passed fires at once. */
		when.it_value.tv_sec = at > 0 ? at / 1000 : 0;
		when.it_value.tv_nsec = at > 0 ? at % 1000 * 1000000 : 1;
	}
	timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void timer_clear(struct timer *timer)
{
	virEventRemoveHandle(timer->watch);
	close(timer->fd);
}
