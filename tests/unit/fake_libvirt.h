/*
 * A libvirt of the test's own: the functions that casement-guest calls, defined in the test program, so that they are taken
 * instead of the library's. Only the event loop is the real one. One libvirtd, one domain.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_CALLS 64

struct fake_libvirt {
	bool reachable;  /* libvirtd is there */
	bool defined;    /* the domain is */
	int state;       /* virDomainState */
	int reason;
	bool agent;      /* connected */
	bool disk_full;
	bool no_file;    /* the disk is none */
	const char *answers; /* the file of a CD, sdc; NULL: the drive is empty */
	long long read;  /* bytes of sdb, /other */
	uint64_t room;   /* bytes of the gigabyte where it is */
	bool gated;      /* every call waits in fake_libvirt_pass() */
	const char *gated_call; /* only a call of that name does; NULL: any */
	bool no_state;   /* a save writes none */
	unsigned windows; /* what PowerShell ends with there; 0: it is another system */
	bool unknown_system; /* its agent does not say which it is */
	unsigned windows_looks; /* how often it is looked whether it has ended before it has */
	bool die_saved;  /* libvirtd dies when it has saved */
	int fail;        /* virErrorNumber that the next call fails with; 0: none */
	const char *fail_call; /* only a call of that name does; NULL: any */
	const char *break_call; /* a call of that name breaks the connection; NULL: none */
	const char *disk; /* of the domain in a saved image */
	char xml[16384]; /* of the last definition or change, or of the last domain that was loaded with another one */
	const char *calls[FAKE_CALLS]; /* names, in order; lookups are not among them */
	unsigned n_calls;
	unsigned connections;
};

extern struct fake_libvirt fake;

/** fake_libvirt_reset() - A fresh libvirtd that knows no domain. */
void fake_libvirt_reset(void);

/** fake_libvirt_call() - What each of its functions does: note it, wait at the gate, and fail if that is wanted. Return: 0 or -1. */
int fake_libvirt_call(const char *name);

/** fake_libvirt_entered() - Wait until a gated call is entered, and name it. */
const char *fake_libvirt_entered(void);

/** fake_libvirt_open_gate() - Let every call through, now and later. */
void fake_libvirt_open_gate(void);

/** fake_libvirt_event() - Send VIR_DOMAIN_EVENT_ID_LIFECYCLE. */
void fake_libvirt_event(int event, int detail);

/** fake_libvirt_signal_event() - Send one of those without arguments: REBOOT, CONTROL_ERROR. */
void fake_libvirt_signal_event(int id);

void fake_libvirt_disk_event(const char *reason);
void fake_libvirt_agent_event(bool connected);

/** fake_libvirt_die() - Close the connection, which nobody hears, and take no other one. */
void fake_libvirt_die(void);

/** fake_libvirt_hang_up() - Close the connection. */
void fake_libvirt_hang_up(void);

/** fake_libvirt_calls() - All calls so far as one text: "define create". */
const char *fake_libvirt_calls(void);
