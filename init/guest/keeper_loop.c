/* Setting up, the loop, and what the loop calls. */
#include "init/guest/keeper_parts.h"

#include "init/guest/signals.h"
#include "init/guest/xml.h"
#include "lib/log.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <limits.h>
#include <systemd/sd-daemon.h>

const struct keeper_paths keeper_paths = {
	.uri = VIRT_URI,
	.qemu_run = QEMU_RUN_DIRECTORY,
	.qemu_log = "/var/log/libvirt/qemu",
	.boots = RUN_DIRECTORY "/guest.boots",
	.serial = XML_SERIAL_LOG,
};

static void on_signal(int watch, int fd, int events, void *opaque)
{
	struct keeper *keeper = opaque;
	struct signalfd_siginfo info;

	(void)watch;
	(void)events;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		keeper_signal(keeper, &info);
	keeper_settle(keeper);
}

static void on_message(int watch, int fd, int events, void *opaque)
{
	struct keeper *keeper = opaque;
	struct message message;

	(void)watch;
	(void)fd;
	(void)events;
	while (inbox_take(&keeper->inbox, &message))
		keeper_message(keeper, &message);
	if (inbox_overflowed(&keeper->inbox)) {
		log_warning("too many events at once: asking libvirtd what the guest does");
		keeper->wanted = VIRT_LOOK;
	}
	keeper_settle(keeper);
}

static void on_timer(void *context)
{
	keeper_settle(context);
}

/** begin_watchdog() - PID 1 says how often it wants to hear from the loop. */
static void begin_watchdog(struct keeper *keeper)
{
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	keeper->watchdog = (int64_t)(usec / 2000);
	keeper->next_watchdog = now_ms();
}

/** begin_console() - Last, so that whatever else is ready is handled before. */
static void begin_console(struct keeper *keeper)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.log", keeper->paths->qemu_log, keeper->plan->name);
	console_init(&keeper->console, keeper->config->log.console, keeper->paths->serial, path);
}

int keeper_init(struct keeper *keeper, const struct config *config, struct plan *plan,
		const struct keeper_paths *paths, int signal_fd)
{
	int result;

	*keeper = (struct keeper){
		.config = config, .plan = plan, .paths = paths, .signal_fd = signal_fd
	};
	keeper->qemu = QEMU_NONE;
	keeper->qemu_watch = -1;
	keeper->backoff = 20;
	keeper->start_until = keeper->next_look = keeper->next_key = INT64_MAX;
	keeper->away_since = now_ms();
	keeper->next_complaint = keeper->away_since + 5000;
	keeper->evidence.status_expected = getenv("NOTIFY_SOCKET") != NULL;
	stop_init(&keeper->stop, &config->stop);
	keeper_probe_init(keeper);
	begin_watchdog(keeper);
	/*
	 * Signals first: of two things that are ready the loop handles the one that was added
	 * earlier.
	 */
	keeper->signal_watch =
		virEventAddHandle(signal_fd, VIR_EVENT_HANDLE_READABLE, on_signal, keeper, NULL);
	result = keeper->signal_watch < 0 ? -ENOMEM : inbox_init(&keeper->inbox);
	if (result)
		return result;
	keeper->inbox_watch = virEventAddHandle(keeper->inbox.fd, VIR_EVENT_HANDLE_READABLE,
						on_message, keeper, NULL);
	result = keeper->inbox_watch < 0 ? -ENOMEM : timer_init(&keeper->timer, on_timer, keeper);
	if (result)
		return result;
	virt_init(&keeper->virt, plan, &keeper->inbox, paths->uri);
	result = worker_start(&keeper->worker, &keeper->virt, &keeper->inbox);
	if (result)
		return result;
	begin_console(keeper);
	keeper_connect_if_due(keeper, now_ms());
	return 0;
}

void keeper_prepare(struct keeper *keeper)
{
	struct failure failure;

	if (plan_prepare(keeper->plan, &failure) || plan_check_host(keeper->plan, &failure))
		keeper_end(keeper, (int)failure.code, "%s", failure.text);
}

int keeper_run(struct keeper *keeper)
{
	/* It runs already? Then a stop that comes before libvirtd answers has something to stop. */
	keeper_found_qemu(keeper);
	if (keeper->qemu.pid)
		plan_keep_claim(keeper->plan);
	else
		keeper_prepare(keeper);
	keeper_settle(keeper);
	while (!keeper->ended)
		virEventRunDefaultImpl();
	keeper->life = LIFE_ENDED;
	keeper_report(keeper);
	console_finish(&keeper->console);
	return keeper->exit_code;
}

void keeper_clear(struct keeper *keeper)
{
	worker_join(&keeper->worker);
	virt_clear(&keeper->virt);
	probe_abort(&keeper->probe);
	timer_clear(&keeper->timer);
	console_clear(&keeper->console);
	virEventRemoveHandle(keeper->inbox_watch);
	virEventRemoveHandle(keeper->signal_watch);
	if (keeper->qemu_watch >= 0)
		virEventRemoveHandle(keeper->qemu_watch);
	qemu_clear(&keeper->qemu);
	inbox_clear(&keeper->inbox);
	close(keeper->signal_fd);
}
