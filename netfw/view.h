/*
 * What the container's network looks like: devices, addresses and routes, as rtnetlink tells them.
 */
#pragma once

#include "netfw/range.h"
#include "netfw/talk.h"

#include <net/if.h>

#define VIEW_ALIAS_MAX 32

struct view_device {
	int index;
	int master; /* index of the bridge or bond that it is a port of; 0: none */
	unsigned flags;
	unsigned mtu;
	uint8_t mac[6];
	char name[IF_NAMESIZE];
	char kind[16]; /* "bridge", "veth", ...; empty for hardware and loopback */
	char alias[VIEW_ALIAS_MAX];
	bool hairpin; /* as a port of a bridge: frames may go back to where they came from */
	bool deaf;    /* as a port of a bridge: other ports' broadcasts do not come here */
};

/* A range that is in use. */
struct view_range {
	struct range range;
	int device; /* index; 0: none, for instance an unreachable route */
	bool route; /* otherwise an address of the device with the length of its network */
	bool peer;  /* of the one at the other end */
};

struct view {
	struct view_device *devices;
	size_t n_devices;
	struct view_range
		*ranges; /* routes first, so that they are named first; no default routes */
	size_t n_ranges;
	int uplink; /* device of the IPv4 default route with the lowest metric; 0: there is none */
	uint32_t metric; /* of that route */
};

/**
 * view_read() - Ask the kernel. Return: 0 with a view to be emptied with view_clear(), or -errno.
 */
int view_read(struct talk *route, struct view *ret_view);

void view_clear(struct view *view);

/** view_device() - Return: the device of that index or NULL. */
const struct view_device *view_device(const struct view *view, int index);

/** view_device_named() - Return: the device of that name or NULL. */
const struct view_device *view_device_named(const struct view *view, const char *name);
