/* The search for a free range of addresses. Pure. */
#pragma once

#include "netfw/view.h"

/* "route 172.16.0.0/12 of device eth0" */
#define SUBNET_OBSTACLE_MAX (RANGE_TEXT_MAX + IF_NAMESIZE + 32)

/**
 * subnet_obstacle() - What in @view overlaps @wanted?
 * @own: index of a device that does not count, 0 for none
 * @min_length: routes and addresses of shorter ranges than this do not count
 *
 * Return: the first that does, or NULL.
 */
const struct view_range *subnet_obstacle(const struct view *view, int own,
					 const struct range *wanted, uint8_t min_length);

/** subnet_obstacle_text() - "route 172.16.0.0/12 of device eth0". Return: @buffer. */
const char *subnet_obstacle_text(const struct view *view, const struct view_range *obstacle,
				 char buffer[static SUBNET_OBSTACLE_MAX]);

/**
 * subnet_find() - The first free IPv4 subnet of @length bits.
 * @first: tried first; then those behind it in the same private block (RFC 1918), those before it,
 * the other two blocks
 *
 * Return: 0, or -EADDRNOTAVAIL if there is none.
 */
int subnet_find(const struct view *view, int own, struct in_addr first, uint8_t length,
		struct in_addr *ret_subnet);
