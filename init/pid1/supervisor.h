/*
 * All services together, and the container's life: who may start, who has to stop, which exit code.
 * Like service.c it makes no system call of its own.
 *
 * Phases: RUN until something asks for the end; STOP, in which services go down in reverse order
 * while those that others still need are kept alive; REST, in which what was reparented is ended;
 * DONE.
 */
#pragma once

#include "init/pid1/service.h"
#include "lib/wire.h"

#include <netinet/in.h>

/*
 * Time that reparented processes (QEMU, if it is still there) have between SIGTERM and SIGKILL, and
 * after that.
 */
#define REST_TERM_MS 10000
#define REST_KILL_MS 5000

/*
 * How often it is looked who is left: this much after one that went, as it may have left others,
 * and now and then because the end of a stranger is not told to us.
 */
#define REST_LOOK_MS 10
#define REST_TICK_MS 1000

/* How often the main service is started again in mid-stop because it died while its guest lived. */
#define STOP_RESTART_LIMIT 10

enum phase { PHASE_RUN, PHASE_STOP, PHASE_REST, PHASE_DONE };

/* What the main service said of the guest. */
struct guest {
	bool reported; /* the rest means something */
	enum guest_state state;
	char reason[160];
	char address[INET_ADDRSTRLEN];
	pid_t pid; /* QEMU's; 0: none */
	bool dead; /* QEMU was reaped; wait_status says how it ended */
	int wait_status;
	pid_t told; /* the process of the main service that was told so */
	enum rdp_state rdp;
	struct probe_choice probe;  /* what shows that it is ready */
	enum rdp_state probe_state; /* what that found, unless it is RDP */
	bool answered;		    /* it has been ready since it booted */
	unsigned rdp_latency_us;
	unsigned boots;
	enum stop_phase stop_phase;
	enum guest_start start;
	char start_reason[160]; /* why it booted although there was a state */
	char cpu[64];		/* that it sees */
	enum freeze_state freeze;
	char freeze_reason[160];
	char frozen[256]; /* the directory that it is frozen in */
	int64_t since;
};

/*
 * Processes that were nobody's service when they were reaped, the last few of them, and for how
 * long they count.
 */
#define ORPHANS_REMEMBERED 16
#define ORPHAN_MEMORY_MS 10000

struct orphan {
	pid_t pid;
	int wait_status;
	int64_t reaped;
};

/* How the last request to read the configuration again went, of all services together. */
enum reload_result { RELOAD_NONE, RELOAD_RUNNING, RELOAD_OK, RELOAD_FAILED, N_RELOAD_RESULTS };

struct reload {
	enum reload_result result;
	bool has_failed;  /* one of the services that are at it */
	char reason[160]; /* why it failed */
	int64_t since;
	uint64_t n_ok, n_failed; /* so far, one for each service and request */
};

/* The state that the status socket and the outside see. */
enum overall_state {
	OVERALL_STARTING,
	OVERALL_RUNNING,
	OVERALL_READY,
	OVERALL_DEGRADED,
	OVERALL_STOPPING,
	OVERALL_STOPPED,
	OVERALL_FAILED,
};

struct supervisor {
	const struct config *config;
	const struct effects *effects;
	struct service
		services[CONFIG_MAX_SERVICES]; /* in the configuration's order: conditions first */
	size_t n_services;
	struct service *main; /* NULL: the container lives until a signal comes */
	enum phase phase;
	int exit_code;	  /* -1: not decided */
	char reason[256]; /* why it ends */
	int64_t booted;
	int64_t stop_deadline;
	int64_t rest_deadline;
	int64_t rest_looked;  /* when those who are left were last asked to go */
	uint64_t rest_reaped; /* and how many had gone by then */
	bool rest_killed;
	bool no_children; /* waitid said so */
	unsigned stop_restarts;
	struct guest guest;
	struct orphan orphans[ORPHANS_REMEMBERED];
	size_t n_orphans; /* so far */
	struct reload reload;
	int forwards_fd; /* the table of forwards (lib/forward_table.h); -1: nobody has shown one */
	enum overall_state overall;
	char overall_reason[256];
	int64_t overall_since;
	uint64_t reaped;
	uint64_t changes; /* counts what the status shows; whoever remembers the last value knows
			     whether to send it again */
};

void supervisor_init(struct supervisor *supervisor, const struct config *config,
		     const struct effects *effects, int64_t now);

/** supervisor_event() - Something happened to one service. */
void supervisor_event(struct supervisor *supervisor, struct service *service,
		      enum service_event event, int64_t now);

/** supervisor_reaped() - A child is gone, whoever it was. */
void supervisor_reaped(struct supervisor *supervisor, pid_t pid, int wait_status, int64_t now);

/**
 * supervisor_datagram() - A service sent sd_notify fields, NAME=VALUE lines; @text is cut up.
 *
 * Return: whether it says that a descriptor comes along that is the table of forwards.
 */
bool supervisor_datagram(struct supervisor *supervisor, struct service *service, char *text,
			 int64_t now);

/** supervisor_guest_pid() - QEMU is this process (0: there is none); it may have been reaped a
 * moment ago. */
void supervisor_guest_pid(struct supervisor *supervisor, pid_t pid, int64_t now);

/** supervisor_accuse() - @accuser says that the service of this name hangs: end it, to be started
 * again. Who does not run, or is the accuser, is left alone. */
void supervisor_accuse(struct supervisor *supervisor, const struct service *accuser,
		       const char *name, int64_t now);

/** supervisor_stop() - Begin to stop; once begun, again changes nothing. */
void supervisor_stop(struct supervisor *supervisor, const char *reason, int64_t now);

/** supervisor_reload() - The configuration was read again: let every service that can do the same.
 */
void supervisor_reload(struct supervisor *supervisor, int64_t now);

/** reload_refused() - It has mistakes, and stays as it was. */
void reload_refused(struct supervisor *supervisor, const char *reason, int64_t now);

/** supervisor_freeze() - Have the guest frozen. @force: without asking it. Return: NULL, or why
 * not. */
const char *supervisor_freeze(struct supervisor *supervisor, bool force);

/** supervisor_hurry() - The guest's deadline is now. */
void supervisor_hurry(struct supervisor *supervisor, int64_t now);

/** supervisor_step() - Do what has become possible or due. Call it after every batch of events. */
void supervisor_step(struct supervisor *supervisor, int64_t now);

/**
 * supervisor_lost() - Nobody ran for @ms: the container was paused, or the machine slept. What
 * processes had no chance to use does not count as their time.
 */
void supervisor_lost(struct supervisor *supervisor, int64_t ms);

/** supervisor_is_timing() - Does a time run that services must keep, beside their watchdogs? */
bool supervisor_is_timing(const struct supervisor *supervisor);

/** supervisor_next_deadline() - When supervisor_step() has to be called at the latest; NEVER: not
 * before an event. */
int64_t supervisor_next_deadline(const struct supervisor *supervisor);

/**
 * supervisor_guest_time() - How long the guest's end may take in a stop, in ms: whoever ends the
 * container before that cuts it off. There must be a main service.
 */
int64_t supervisor_guest_time(const struct supervisor *supervisor);

/**
 * supervisor_stop_time() - How long a stop may take at the most, in ms, even if every service asks
 * for as much more time as it can get.
 */
int64_t supervisor_stop_time(const struct supervisor *supervisor);

/** supervisor_judge() - Bring the overall state up to date; supervisor_step() does it. */
void supervisor_judge(struct supervisor *supervisor, int64_t now);

/**
 * supervisor_health() - Is the container alive? What casement is repairing itself counts as alive.
 * Return: NULL, or what is wrong.
 */
const char *supervisor_health(const struct supervisor *supervisor);

/** guest_probe_state() - What the probe found, of whatever kind it is. */
enum rdp_state guest_probe_state(const struct guest *guest);

const char *overall_state_name(enum overall_state state);
const char *reload_result_name(enum reload_result result);

/* What the supervisor's parts tell reload.c. */

/** reload_begun() - A service said RELOADING=1. */
void reload_begun(struct supervisor *supervisor, struct service *service, int64_t now);

/** reload_answered() - It said READY=1 after that. @failed is the reason, NULL: all is well. */
void reload_answered(struct supervisor *supervisor, struct service *service, const char *failed,
		     int64_t now);

/** reload_expire() - Give up those that have not answered in time. */
void reload_expire(struct supervisor *supervisor, int64_t now);

/** reload_follow() - Its state has changed. */
void reload_follow(struct supervisor *supervisor, struct service *service, int64_t now);
