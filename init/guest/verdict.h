/* How the guest ended, from what everybody says about it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who asked QEMU to end: the SHUTDOWN event of libvirt, virDomainEventShutdownDetailType. */
enum shutdown_by {
	SHUTDOWN_UNSEEN,
	SHUTDOWN_BY_SOMEBODY, /* libvirt does not know */
	SHUTDOWN_BY_GUEST,
	SHUTDOWN_BY_HOST, /* a signal to QEMU: not the guest's doing */
};

/* Why libvirt says that the guest is off. */
enum stopped_as {
	STOPPED_UNSEEN,
	STOPPED_SHUTDOWN, /* QEMU ended in order: the guest's doing, or that of a signal */
	STOPPED_DESTROYED,
	STOPPED_CRASHED, /* the guest's panic */
	STOPPED_SAVED,
	STOPPED_FAILED, /* QEMU vanished, or libvirt lost it */
	STOPPED_UNKNOWN, /* libvirtd is a new one that cannot know */
};

struct evidence {
	bool up;        /* there was a guest at all */
	bool destroyed; /* we made it end, by libvirtd or by a signal */
	bool saving;    /* libvirtd is at it, or we are with what it wrote */
	bool saved;     /* its state is on the disk, for the next start */
	bool kept;      /* the same, and it is that of a freeze */
	enum shutdown_by shutdown;
	enum stopped_as stopped;
	bool panicked;
	bool gone;            /* QEMU's process is gone */
	bool status_expected; /* PID 1 will tell the wait status */
	bool status_known;
	int status; /* as from wait(2) */
	pid_t pid;  /* QEMU's; 0: not known */
};

/* The longest time that is waited for a witness when others have spoken, in ms. */
#define VERDICT_PATIENCE_MS 500

/** verdict_ready() - Is the evidence complete? @waited: ms since the first sign of the end. */
bool verdict_ready(const struct evidence *evidence, int64_t waited);

/**
 * verdict_pronounce() - The exit code, and a sentence that says why.
 * @ret_text: at least 128 bytes: "QEMU (pid 71) was killed by SIGKILL"
 */
int verdict_pronounce(const struct evidence *evidence, size_t size, char *ret_text);
