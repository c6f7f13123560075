/*
 * What the processes of a container say to each other, beside what sd_notify(3) defines: names, no
 * code of consequence.
 *
 * Children tell PID 1 through their notify socket; PID 1 tells children by signals only:
 * - stop signal: begin to stop. Sent with sigqueue(3): the value is the time left in ms, 0 for "as
 *   configured".
 * - reload signal, to a service that has one: read the configuration again.
 * - SIGQUIT, to the main service while it stops: the deadline is now.
 * - SIGUSR2, to the main service: freeze the guest; with WIRE_FREEZE_FORCE without asking it.
 * - SIGUSR1, to the main service: the process it reported in X_CASEMENT_GUEST_PID was reaped; the
 *   value is its wait status.
 */
#pragma once

#define RUN_DIRECTORY "/run/casement"
#define STATUS_SOCKET RUN_DIRECTORY "/status.sock"
#define NETINFO_FILE RUN_DIRECTORY "/network.conf"
#define DNSMASQ_FILE RUN_DIRECTORY "/dnsmasq.conf"

#define WIRE_GUEST_STATE "X_CASEMENT_GUEST_STATE"     /* one of guest_state_name() */
#define WIRE_GUEST_REASON "X_CASEMENT_GUEST_REASON"   /* text, may be empty */
#define WIRE_GUEST_PID "X_CASEMENT_GUEST_PID"	      /* QEMU's, decimal; 0: there is none */
#define WIRE_GUEST_ADDRESS "X_CASEMENT_GUEST_ADDRESS" /* dotted decimal, from casement-netfw */
#define WIRE_RDP "X_CASEMENT_RDP"		      /* one of rdp_state_name() */
#define WIRE_RDP_LATENCY_US "X_CASEMENT_RDP_LATENCY_US"
#define WIRE_PROBE "X_CASEMENT_PROBE"		  /* as in [health] probe; without it: "rdp" */
#define WIRE_PROBE_STATE "X_CASEMENT_PROBE_STATE" /* as WIRE_RDP, of another kind of probe */
#define WIRE_BOOTS "X_CASEMENT_BOOTS"		  /* decimal, 1 for the first */
#define WIRE_STOP_PHASE "X_CASEMENT_STOP_PHASE"	  /* one of stop_phase_name() */
#define WIRE_START "X_CASEMENT_GUEST_START"	  /* one of guest_start_name() */
#define WIRE_START_REASON "X_CASEMENT_GUEST_START_REASON" /* text: why it booted all the same */
#define WIRE_CPU "X_CASEMENT_GUEST_CPU" /* the processor that it sees, as in [guest] cpu */
#define WIRE_FREEZE "X_CASEMENT_FREEZE" /* one of freeze_state_name() */
#define WIRE_FREEZE_REASON "X_CASEMENT_FREEZE_REASON" /* text: why it failed */
#define WIRE_FROZEN "X_CASEMENT_FROZEN"		      /* text: the directory that it is frozen in */
#define WIRE_FREEZE_FORCE 1			      /* the value of SIGUSR2 */
#define WIRE_HANGS "X_CASEMENT_HANGS"		      /* a service's name: it does not answer */

/* Along with the READY=1 that follows RELOADING=1: what became of it. */
#define WIRE_RELOAD "X_CASEMENT_RELOAD"		      /* "ok" or "failed" */
#define WIRE_RELOAD_REASON "X_CASEMENT_RELOAD_REASON" /* text: why it failed */

enum guest_state {
	GUEST_OFF,
	GUEST_STARTING,
	GUEST_BOOTING,
	GUEST_RUNNING,
	GUEST_PAUSED,
	GUEST_STOPPING,
	GUEST_CRASHED,
	N_GUEST_STATES
};

enum rdp_state { RDP_UNKNOWN, RDP_CLOSED, RDP_OPEN, RDP_ANSWERING, N_RDP_STATES };

enum stop_phase {
	STOP_NONE,
	STOP_AGENT,
	STOP_BUTTON,
	STOP_SAVE,
	STOP_DESTROY_GRACEFUL,
	STOP_DESTROY,
	N_STOP_PHASES
};

/* How the guest came up. */
enum guest_start {
	START_UNKNOWN,
	START_COLD,    /* it booted */
	START_RESUMED, /* from its own saved state */
	START_WARM,    /* from the state of a frozen guest */
	N_GUEST_STARTS
};

enum freeze_state { FREEZE_NONE, FREEZE_RUNNING, FREEZE_DONE, FREEZE_FAILED, N_FREEZE_STATES };

/*
 * Exit codes of PID 1; 0, 10 and 11 are casement-guest's, passed on. 64, 69 and 78 are those of
 * sysexits(3).
 */
enum exit_code {
	EXIT_GUEST_OFF = 0,
	EXIT_GUEST_DESTROYED = 10,
	EXIT_GUEST_CRASHED = 11,
	EXIT_SERVICE_FAILED = 12,
	EXIT_USAGE = 64,
	EXIT_UNAVAILABLE = 69,
	EXIT_CONFIG = 78,
};

const char *guest_state_name(enum guest_state state);
const char *rdp_state_name(enum rdp_state state);
const char *stop_phase_name(enum stop_phase phase);
const char *guest_start_name(enum guest_start start);
const char *freeze_state_name(enum freeze_state state);

/* The other way round; -1 for a name that is none. */
int guest_state_parse(const char *name);
int rdp_state_parse(const char *name);
int stop_phase_parse(const char *name);
int guest_start_parse(const char *name);
int freeze_state_parse(const char *name);
