/* Ranges of addresses, IPv4 and IPv6: what routes and addresses occupy. Pure. */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_TEXT_MAX (INET6_ADDRSTRLEN + 4)

/* All addresses that share the first @length bits of @bytes. */
struct range {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t length;
	uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct range range4(struct in_addr address, uint8_t length);
struct range range6(const struct in6_addr *address, uint8_t length);

/** range_overlap() - Is any address in both? */
bool range_overlap(const struct range *a, const struct range *b);

/** range_equal() - Are both the same? The bits behind the length count. */
bool range_equal(const struct range *a, const struct range *b);

/** range_link_local() - Does it lie in fe80::/10? */
bool range_link_local(const struct range *range);

/** range_text() - "192.168.121.0/24"; the bits behind the length as they are. Return: @buffer. */
const char *range_text(const struct range *range, char buffer[static RANGE_TEXT_MAX]);

/** netmask4() - The mask of @length bits, in host order. */
uint32_t netmask4(uint8_t length);
