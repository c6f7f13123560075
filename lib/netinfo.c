/*
 * Writer and reader of the file that describes the network.
 *
 * A reader sees the old network or the new one, whole. It takes only what is complete and
 * well-formed; keys that it does not know belong to a newer casement and are passed over.
 */
#include "lib/netinfo.h"

#include "lib/file.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>

/* The keys, as bits: the reader compares what it saw with what must be there. */
enum {
	SEEN_BRIDGE = 1 << 0,
	SEEN_ADDRESS = 1 << 1,
	SEEN_PREFIX = 1 << 2,
	SEEN_GUEST_ADDRESS = 1 << 3,
	SEEN_MTU = 1 << 4,
	SEEN_ADDRESS6 = 1 << 5,
	SEEN_PREFIX6 = 1 << 6,
	SEEN_GUEST_ADDRESS6 = 1 << 7,
};

#define SEEN_IPV4 (SEEN_BRIDGE | SEEN_ADDRESS | SEEN_PREFIX | SEEN_GUEST_ADDRESS | SEEN_MTU)
#define SEEN_IPV6 (SEEN_ADDRESS6 | SEEN_PREFIX6 | SEEN_GUEST_ADDRESS6)

struct reader {
	struct netinfo info;
	unsigned seen;
};

/** print() - The file's text. */
static void print(const void *context, FILE *file)
{
	const struct netinfo *info = context;
	char text[INET6_ADDRSTRLEN];

	fprintf(file,
		"# Written by casement-netfw, read by casement-guest.\n[network]\nbridge = %s\n",
		info->bridge);
	fprintf(file, "address = %s\n", inet_ntop(AF_INET, &info->address, text, sizeof(text)));
	fprintf(file, "prefix = %u\n", info->prefix);
	fprintf(file, "guest-address = %s\n",
		inet_ntop(AF_INET, &info->guest_address, text, sizeof(text)));
	if (info->ipv6) {
		fprintf(file, "address6 = %s\n",
			inet_ntop(AF_INET6, &info->address6, text, sizeof(text)));
		fprintf(file, "prefix6 = %u\n", info->prefix6);
		fprintf(file, "guest-address6 = %s\n",
			inet_ntop(AF_INET6, &info->guest_address6, text, sizeof(text)));
	}
	fprintf(file, "mtu = %u\n", info->mtu);
}

int netinfo_write(const char *path, const struct netinfo *info)
{
	return file_replace(path, print, info);
}

/** read_number() - A decimal number from @min to @max and nothing else. */
static bool read_number(const char *value, unsigned long min, unsigned long max,
			unsigned *ret_number)
{
	unsigned long number;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || *end || number < min || number > max)
		return false;
	*ret_number = (unsigned)number;
	return true;
}

/** read_bridge() - A device's name. */
static bool read_bridge(const char *value, char bridge[static IF_NAMESIZE])
{
	size_t length = strlen(value);

	if (length == 0 || length >= IF_NAMESIZE)
		return false;
	memcpy(bridge, value, length + 1);
	return true;
}

/** read_key() - Called by inih for each key. Return: nonzero to go on. */
static int read_key(void *context, const char *section, const char *name, const char *value)
{
	struct reader *reader = context;
	struct netinfo *info = &reader->info;
	unsigned bit = 0;
	bool good = true;

	if (!streq(section, "network"))
		return 1;
	if (streq(name, "bridge")) {
		bit = SEEN_BRIDGE;
		good = read_bridge(value, info->bridge);
	} else if (streq(name, "address")) {
		bit = SEEN_ADDRESS;
		good = inet_pton(AF_INET, value, &info->address) == 1;
	} else if (streq(name, "prefix")) {
		bit = SEEN_PREFIX;
		good = read_number(value, 1, 32, &info->prefix);
	} else if (streq(name, "guest-address")) {
		bit = SEEN_GUEST_ADDRESS;
		good = inet_pton(AF_INET, value, &info->guest_address) == 1;
	} else if (streq(name, "mtu")) {
		bit = SEEN_MTU;
		good = read_number(value, 68, 65535, &info->mtu);
	} else if (streq(name, "address6")) {
		bit = SEEN_ADDRESS6;
		good = inet_pton(AF_INET6, value, &info->address6) == 1;
	} else if (streq(name, "prefix6")) {
		bit = SEEN_PREFIX6;
		good = read_number(value, 1, 128, &info->prefix6);
	} else if (streq(name, "guest-address6")) {
		bit = SEEN_GUEST_ADDRESS6;
		good = inet_pton(AF_INET6, value, &info->guest_address6) == 1;
	}
	reader->seen |= bit;
	return good;
}

int netinfo_read(const char *path, struct netinfo *ret_info)
{
	autofclose FILE *file = fopen(path, "re");
	struct reader reader = { 0 };

	if (!file)
		return -errno;
	if (ini_parse_file(file, read_key, &reader) != 0)
		return -EBADMSG;
	if (ferror(file))
		return -EIO;
	if ((reader.seen & SEEN_IPV4) != SEEN_IPV4)
		return -EBADMSG;
	if ((reader.seen & SEEN_IPV6) != 0 && (reader.seen & SEEN_IPV6) != SEEN_IPV6)
		return -EBADMSG;
	reader.info.ipv6 = (reader.seen & SEEN_IPV6) != 0;
	*ret_info = reader.info;
	return 0;
}
