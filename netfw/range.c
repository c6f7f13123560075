#include "netfw/range.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct range range4(struct in_addr address, uint8_t length)
{
	struct range range = { .family = AF_INET, .length = length };

	memcpy(range.bytes, &address, sizeof(address));
	return range;
}

struct range range6(const struct in6_addr *address, uint8_t length)
{
	struct range range = { .family = AF_INET6, .length = length };

	memcpy(range.bytes, address, sizeof(*address));
	return range;
}

bool range_overlap(const struct range *a, const struct range *b)
{
	unsigned bits = a->length < b->length ? a->length : b->length;
	unsigned mask = 0xff00u >> bits % 8;

	/* Two ranges overlap exactly if one holds the other: the shorter length decides. */
	if (a->family != b->family || memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & mask) == 0;
}

bool range_equal(const struct range *a, const struct range *b)
{
	return a->family == b->family && a->length == b->length &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool range_link_local(const struct range *range)
{
	return range->family == AF_INET6 && range->bytes[0] == 0xfe &&
	       (range->bytes[1] & 0xc0) == 0x80;
}

const char *range_text(const struct range *range, char buffer[static RANGE_TEXT_MAX])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(range->family, range->bytes, address, sizeof(address));
	snprintf(buffer, RANGE_TEXT_MAX, "%s/%u", address, range->length);
	return buffer;
}

uint32_t netmask4(uint8_t length)
{
	return length ? UINT32_MAX << (32 - length) : 0;
}
