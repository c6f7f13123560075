/*
 * Whose end it was: of what PID 1 reaps, one process is QEMU, and how that ended nobody else
 * learns. The main service says which one it is, perhaps only when it is dead already, and is told.
 */
#include "init/pid1/supervisor.h"

#include "lib/log.h"
#include "lib/util.h"

#include <signal.h>
#include <sys/wait.h>

/* Each process of the main service is told once. */
static void tell_main(struct supervisor *supervisor)
{
	struct guest *guest = &supervisor->guest;
	const struct service *main = supervisor->main;

	if (!main || !main->pid || guest->told == main->pid)
		return;
	guest->told = main->pid;
	supervisor->effects->kill(supervisor->effects->context, main, SIGUSR1, guest->wait_status);
}

static void guest_reaped(struct supervisor *supervisor, int wait_status, int64_t now)
{
	struct guest *guest = &supervisor->guest;

	guest->dead = true;
	guest->wait_status = wait_status;
	guest->since = now;
	if (WIFSIGNALED(wait_status))
		log_info("QEMU (pid %d) was killed by SIG%s", (int)guest->pid,
			 sigabbrev_np(WTERMSIG(wait_status)));
	else
		log_info("QEMU (pid %d) exited with %d", (int)guest->pid, WEXITSTATUS(wait_status));
	supervisor->changes++;
}

/*
 * Remember how the last few orphans ended: one of them may be the QEMU that is reported a moment
 * later.
 */
static void remember_orphan(struct supervisor *supervisor, pid_t pid, int wait_status, int64_t now)
{
	supervisor->orphans[supervisor->n_orphans++ % ORPHANS_REMEMBERED] =
		(struct orphan){ .pid = pid, .wait_status = wait_status, .reaped = now };
}

/** lose_freeze() - The main service is gone, and whoever waits for what it was at waits for
 * nothing. */
static void lose_freeze(struct supervisor *supervisor)
{
	struct guest *guest = &supervisor->guest;

	if (guest->freeze != FREEZE_RUNNING)
		return;
	guest->freeze = FREEZE_FAILED;
	snprintf(guest->freeze_reason, sizeof(guest->freeze_reason), "%s ended meanwhile",
		 supervisor->main->config->name);
	supervisor->changes++;
}

void supervisor_reaped(struct supervisor *supervisor, pid_t pid, int wait_status, int64_t now)
{
	supervisor->reaped++;
	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];

		if (service->pid != pid)
			continue;
		service->wait_status = wait_status;
		if (service == supervisor->main)
			lose_freeze(supervisor);
		supervisor_event(supervisor, service, SERVICE_EXITED, now);
		return;
	}
	if (supervisor->guest.pid != pid || supervisor->guest.dead) {
		remember_orphan(supervisor, pid, wait_status, now);
		return;
	}
	guest_reaped(supervisor, wait_status, now);
	/*
	 * Before its first word the signal would end it; it will be told when it reports the guest.
	 */
	if (supervisor->main && supervisor->main->spoke)
		tell_main(supervisor);
}

void supervisor_guest_pid(struct supervisor *supervisor, pid_t pid, int64_t now)
{
	struct guest *guest = &supervisor->guest;

	if (pid == guest->pid) {
		if (guest->dead)
			tell_main(supervisor);
		return;
	}
	guest->pid = pid;
	guest->dead = false;
	guest->told = 0;
	for (size_t i = 0; pid && i < ORPHANS_REMEMBERED; i++) {
		const struct orphan *orphan = &supervisor->orphans[i];

		/* An old one with the same number was another process. */
		if (orphan->pid == pid && now - orphan->reaped < ORPHAN_MEMORY_MS) {
			guest_reaped(supervisor, orphan->wait_status, now);
			tell_main(supervisor);
			return;
		}
	}
}
