/*
 * The judgement.
 *
 * No witness alone is enough. libvirt's STOPPED(SHUTDOWN) also follows a SIGTERM to QEMU; its
 * SHUTDOWN event tells the two apart, but is lost when libvirtd is away; QEMU's wait status, which
 * PID 1 reports, is 0 after a power-off and after a SIGTERM alike, yet names a fatal signal like
 * nobody else. So all are heard, those that are late for a moment, and the guest's own power-off is
 * believed before everything that happened to QEMU afterwards.
 */
#include "init/guest/verdict.h"

#include "lib/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static bool violent(const struct evidence *evidence)
{
	return evidence->status_known && evidence->status != 0;
}

/** over() - Is QEMU certainly not there any more? */
static bool over(const struct evidence *evidence)
{
	return evidence->gone || evidence->status_known || evidence->stopped != STOPPED_UNSEEN;
}

bool verdict_ready(const struct evidence *evidence, int64_t waited)
{
	/* The guest is off before its state is safe. */
	if (evidence->saving)
		return false;
	if (waited >= VERDICT_PATIENCE_MS)
		return true;
	if (!over(evidence))
		return false;
	if (evidence->shutdown == SHUTDOWN_BY_GUEST || evidence->panicked)
		return true;
	/* It vanished: who killed it is worth a moment. */
	if (evidence->status_expected && !evidence->status_known)
		return false;
	return violent(evidence) || evidence->stopped != STOPPED_UNSEEN;
}

/** describe_status() - "was killed by SIGKILL", "ended with code 1". */
static void describe_status(int status, size_t size, char *ret_text)
{
	const char *name;

	if (!WIFSIGNALED(status)) {
		snprintf(ret_text, size, "ended with code %d", WEXITSTATUS(status));
		return;
	}
	name = sigabbrev_np(WTERMSIG(status));
	if (name)
		snprintf(ret_text, size, "was killed by SIG%s", name);
	else
		snprintf(ret_text, size, "was killed by signal %d", WTERMSIG(status));
}

/** judge_process() - QEMU ended, and not because the guest wanted it to. */
static int judge_process(const struct evidence *evidence, size_t size, char *ret_text)
{
	char who[32] = "QEMU";
	char how[64];

	if (evidence->pid)
		snprintf(who, sizeof(who), "QEMU (pid %d)", (int)evidence->pid);
	if (violent(evidence)) {
		describe_status(evidence->status, sizeof(how), how);
		snprintf(ret_text, size, "%s %s", who, how);
	} else if (evidence->shutdown == SHUTDOWN_BY_HOST) {
		snprintf(ret_text, size, "%s was ended by a signal from outside", who);
	} else if (evidence->status_known) {
		describe_status(evidence->status, sizeof(how), how);
		snprintf(ret_text, size, "%s %s without a shutdown of the guest", who, how);
	} else {
		snprintf(ret_text, size, "%s is gone, and nobody knows why", who);
	}
	return EXIT_GUEST_CRASHED;
}

int verdict_pronounce(const struct evidence *evidence, size_t size, char *ret_text)
{
	if (evidence->saved) {
		snprintf(ret_text, size,
			 "the guest did not stop by the deadline and was saved; the next start "
			 "resumes it");
		return EXIT_GUEST_OFF;
	}
	if (evidence->kept) {
		snprintf(ret_text, size,
			 "the guest was saved for a freeze that came to nothing; the next start "
			 "resumes it");
		return EXIT_GUEST_OFF;
	}
	if (evidence->shutdown == SHUTDOWN_BY_GUEST) {
		snprintf(ret_text, size, "the guest shut down");
		return EXIT_GUEST_OFF;
	}
	if (evidence->destroyed && over(evidence)) {
		snprintf(ret_text, size,
			 "the guest did not stop by the deadline and was destroyed");
		return EXIT_GUEST_DESTROYED;
	}
	if (evidence->destroyed) {
		snprintf(ret_text, size,
			 "the guest did not stop by the deadline and cannot be destroyed");
		return EXIT_GUEST_DESTROYED;
	}
	if (evidence->panicked || evidence->stopped == STOPPED_CRASHED) {
		snprintf(ret_text, size, "the guest crashed");
		return EXIT_GUEST_CRASHED;
	}
	if (violent(evidence))
		return judge_process(evidence, size, ret_text);
	switch (evidence->stopped) {
	case STOPPED_SHUTDOWN:
		if (evidence->shutdown == SHUTDOWN_BY_HOST)
			break;
		/* Either libvirt does not know better, or the event was missed. */
		snprintf(ret_text, size, "the guest shut down");
		return EXIT_GUEST_OFF;
	case STOPPED_SAVED:
		snprintf(ret_text, size,
			 "the guest was saved, by another client of libvirt or by a freeze that "
			 "was cut off");
		return EXIT_GUEST_OFF;
	case STOPPED_DESTROYED:
		snprintf(ret_text, size, "the guest was destroyed by another client of libvirt");
		return EXIT_GUEST_DESTROYED;
	case STOPPED_UNSEEN:
		if (evidence->up || over(evidence))
			break;
		snprintf(ret_text, size, "there is no guest to stop");
		return EXIT_GUEST_OFF;
	case STOPPED_CRASHED:
	case STOPPED_FAILED:
	case STOPPED_UNKNOWN:
		break;
	}
	return judge_process(evidence, size, ret_text);
}
