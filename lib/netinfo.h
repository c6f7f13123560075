/*
 * The network that casement-netfw made, as others need it: written once it stands, read by
 * casement-guest. The file is INI like every other of casement's: [network] bridge, address,
 * prefix, guest-address, mtu, …
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

struct netinfo {
	char bridge[IF_NAMESIZE];
	struct in_addr address; /* of the bridge */
	unsigned prefix;	/* its length */
	struct in_addr guest_address;
	bool ipv6; /* the next three are set */
	struct in6_addr address6;
	unsigned prefix6;
	struct in6_addr guest_address6;
	unsigned mtu;
};

/** netinfo_write() - Replace @path atomically. Return: 0 or -errno. */
int netinfo_write(const char *path, const struct netinfo *info);

/** netinfo_read() - Return: 0, -ENOENT while there is no network, -EBADMSG for a file that is not
 * ours, or -errno. */
int netinfo_read(const char *path, struct netinfo *ret_info);
