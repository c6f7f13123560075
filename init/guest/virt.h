/*
 * libvirt, as far as casement needs it: synchronous calls, each bounded by nothing but keep-alive.
 * They run in the worker's thread and nowhere else; what libvirt reports by itself goes to the
 * inbox.
 */
#pragma once

#include "init/guest/inbox.h"
#include "init/guest/plan.h"

#include <libvirt/libvirt.h>

enum virt_job {
	VIRT_NOTHING,
	VIRT_CONNECT, /* and look */
	VIRT_LOOK,
	VIRT_DEFINE,
	VIRT_CREATE,
	VIRT_RESTORE, /* from the saved state */
	VIRT_BUTTON,
	VIRT_AGENT,
	VIRT_RESUME,
	VIRT_RESUME_IF_ROOM, /* of a guest that a full file system has paused */
	VIRT_WAKE,
	VIRT_PRESS_KEY, /* of a guest that is being installed */
	VIRT_EJECT_ANSWERS,
	VIRT_SAVE,
	VIRT_ASK_WINDOWS, /* whether it may be frozen */
	VIRT_FREEZE,	  /* for clones */
	VIRT_WAKE_UP,	  /* after it was resumed: its file systems and its clock */
	VIRT_DESTROY_GRACEFUL,
	VIRT_DESTROY,
	N_VIRT_JOBS
};

enum virt_outcome {
	VIRT_DONE,
	VIRT_FAILED, /* libvirtd said no; text says why */
	VIRT_LOST,   /* the connection is gone, so nobody knows */
};

struct virt_result {
	enum virt_job job;
	enum virt_outcome outcome;
	unsigned connection;
	bool config_error; /* of a failure: the definition is to blame, not the moment */
	char text[1024];
	/* What CONNECT and LOOK found. */
	enum life_event found;
	enum shutdown_by shutdown;
	enum stopped_as stopped;
	char reason[64]; /* of a pause */
	bool agent;	 /* the guest agent is connected */
	/* What RESUME_IF_ROOM did. */
	bool resumed;
	uint64_t room; /* bytes where the disk is; UINT64_MAX: not known */
	bool booted;   /* what PRESS_KEY found: the medium is, and no key is needed */
};

#define VIRT_EVENTS 6

struct virt {
	const struct plan *plan;
	struct inbox *inbox;
	const char *uri;
	unsigned connection; /* the number of the current one */
	virConnect *connect;
	virDomain *domain;
	int callbacks[VIRT_EVENTS];
};

#define VIRT_URI "qemu:///system"

/**
 * virt_init() - Before the worker starts. @plan: its name must be known, the rest before
 * VIRT_DEFINE.
 */
void virt_init(struct virt *virt, const struct plan *plan, struct inbox *inbox, const char *uri);

/** virt_run() - Do one job and tell how it ended. */
void virt_run(struct virt *virt, enum virt_job job, struct virt_result *ret_result);

/** virt_clear() - Close the connection. It may wait for libvirtd. */
void virt_clear(struct virt *virt);

const char *virt_job_name(enum virt_job job);
