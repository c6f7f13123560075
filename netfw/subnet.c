#include "netfw/subnet.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>

/* The private blocks of RFC 1918, in the order in which they are searched. */
static const struct {
	uint32_t first, last;
} blocks[] = {
	{ 0xc0a80000, 0xc0a8ffff }, /* 192.168.0.0/16 */
	{ 0xac100000, 0xac1fffff }, /* 172.16.0.0/12 */
	{ 0x0a000000, 0x0affffff }, /* 10.0.0.0/8 */
};

const struct view_range *subnet_obstacle(const struct view *view, int own,
					 const struct range *wanted, uint8_t min_length)
{
	for (size_t i = 0; i < view->n_ranges; i++) {
		const struct view_range *used = &view->ranges[i];

		if ((!own || used->device != own) && used->range.length >= min_length &&
		    range_overlap(&used->range, wanted))
			return used;
	}
	return NULL;
}

const char *subnet_obstacle_text(const struct view *view, const struct view_range *obstacle,
				 char buffer[static SUBNET_OBSTACLE_MAX])
{
	const struct view_device *device = view_device(view, obstacle->device);
	char range[RANGE_TEXT_MAX];

	snprintf(buffer, SUBNET_OBSTACLE_MAX, "%s %s%s%s", obstacle->route ? "route" : "address",
		 range_text(&obstacle->range, range), device ? " of device " : "",
		 device ? device->name : "");
	return buffer;
}

/**
 * search() - The first free subnet from @from on that ends by @last.
 *
 * An obstacle that is larger than a subnet is passed in one step, so a full block costs no more
 * than the routes in it.
 */
static bool search(const struct view *view, int own, uint32_t from, uint32_t last, uint8_t length,
		   struct in_addr *ret_subnet)
{
	uint64_t size = (uint64_t)1 << (32 - length), at = from;

	while (at + size - 1 <= last) {
		struct in_addr subnet = { htonl((uint32_t)at) };
		struct range wanted = range4(subnet, length);
		const struct view_range *obstacle = subnet_obstacle(view, own, &wanted, 1);
		uint32_t address;
		uint64_t end;

		if (!obstacle) {
			*ret_subnet = subnet;
			return true;
		}
		memcpy(&address, obstacle->range.bytes, sizeof(address));
		end = (uint64_t)(ntohl(address) | ~netmask4(obstacle->range.length)) + 1;
		at += size;
		if (end > at)
			at = (end + size - 1) & ~(size - 1);
	}
	return false;
}

int subnet_find(const struct view *view, int own, struct in_addr first, uint8_t length,
		struct in_addr *ret_subnet)
{
	uint32_t start = ntohl(first.s_addr) & netmask4(length);
	size_t home = ARRAY_SIZE(blocks);

	/* The first one alone, wherever it lies. */
	if (search(view, own, start, start | ~netmask4(length), length, ret_subnet))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (start >= blocks[i].first && start <= blocks[i].last)
			home = i;
	}
	if (home < ARRAY_SIZE(blocks) &&
	    search(view, own, start, blocks[home].last, length, ret_subnet))
		return 0;
	if (home < ARRAY_SIZE(blocks) &&
	    search(view, own, blocks[home].first, blocks[home].last, length, ret_subnet))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (i != home &&
		    search(view, own, blocks[i].first, blocks[i].last, length, ret_subnet))
			return 0;
	}
	return -EADDRNOTAVAIL;
}
