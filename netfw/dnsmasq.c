#include "netfw/dnsmasq.h"

#include "lib/file.h"

#include <arpa/inet.h>
#include <string.h>

/*
 * Seconds between two router advertisements: how long a guest that missed the first one waits at
 * most.
 */
#define RA_INTERVAL 60

static bool has_ipv6(const struct netfw_network *network)
{
	return network->ipv6 == NETFW_IPV6_ON || network->ipv6 == NETFW_IPV6_NO_FORWARDING;
}

/** address4() - Dotted decimal in @buffer. */
static const char *address4(struct in_addr address, char buffer[static INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, buffer, INET_ADDRSTRLEN);
}

static const char *address6(const struct in6_addr *address, char buffer[static INET6_ADDRSTRLEN])
{
	return inet_ntop(AF_INET6, address, buffer, INET6_ADDRSTRLEN);
}

/** print_service() - Where it serves and how it runs. */
static void print_service(const struct dnsmasq_options *options, FILE *out)
{
	fprintf(out, "# Written by casement-netfw at every start; change nothing here.\n\n");
	fprintf(out, "# The bridge and nothing else.\n");
	fprintf(out, "interface=%s\nexcept-interface=lo\nbind-dynamic\n", options->network->bridge);
	fprintf(out, "\n# PID 1 starts it, keeps its messages and knows its pid.\n");
	fprintf(out, "log-facility=-\npid-file\nquiet-dhcp\nquiet-dhcp6\nquiet-ra\n");
	if (options->user)
		fprintf(out, "user=%s\n", options->user);
	if (options->group)
		fprintf(out, "group=%s\n", options->group);
	fprintf(out, "\n# DNS: what the container itself would ask, /etc/resolv.conf; its own "
		     "names are not the guest's.\n");
	fprintf(out, "no-hosts\n");
}

/** print_dhcp() - One guest, one address, for ever. */
static void print_dhcp(const struct dnsmasq_options *options, FILE *out)
{
	const struct netfw_network *network = options->network;
	const uint8_t *mac = options->guest_mac;
	uint32_t mask = network->prefix ? htonl(UINT32_MAX << (32 - network->prefix)) : 0;
	struct in_addr subnet = { network->address.s_addr & mask }, netmask = { mask };
	char text[INET_ADDRSTRLEN], second[INET_ADDRSTRLEN], sixth[INET6_ADDRSTRLEN];

	fprintf(out, "\n# DHCP: one address for the guest, and none for anybody else.\n");
	fprintf(out, "dhcp-authoritative\ndhcp-leasefile=%s\n", options->lease_file);
	fprintf(out, "dhcp-range=%s,static,%s,infinite\n", address4(subnet, text),
		address4(netmask, second));
	if (has_ipv6(network)) {
		struct in6_addr prefix = network->address6;

		memset(prefix.s6_addr + network->prefix6 / 8, 0,
		       sizeof(prefix) - network->prefix6 / 8);
		fprintf(out, "dhcp-range=%s,static,%u,infinite\n", address6(&prefix, sixth),
			network->prefix6);
	}
	fprintf(out, "dhcp-host=%02x:%02x:%02x:%02x:%02x:%02x,%s", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5], address4(network->guest, text));
	if (has_ipv6(network))
		fprintf(out, ",[%s]", address6(&network->guest6, sixth));
	fprintf(out, ",infinite\n");
	address4(network->address, text);
	fprintf(out, "dhcp-option=option:router,%s\ndhcp-option=option:dns-server,%s\n", text,
		text);
	fprintf(out,
		"# The container's MTU: a larger packet of the guest's would be lost behind it.\n");
	fprintf(out, "dhcp-option=option:mtu,%u\n", network->mtu);
	if (!has_ipv6(network))
		return;
	fprintf(out, "dhcp-option=option6:dns-server,[%s]\n", address6(&network->address6, sixth));
	fprintf(out, "\n# Router advertisements: they tell the guest to ask by DHCPv6");
	/*
	 * A lifetime of zero: "I am no default router". A guest that believed otherwise would wait
	 * for every answer.
	 */
	if (network->ipv6 == NETFW_IPV6_ON)
		fprintf(out, ".\nenable-ra\nra-param=%s,%d\n", network->bridge, RA_INTERVAL);
	else
		fprintf(out, ", and that nothing is routed.\nenable-ra\nra-param=%s,%d,0\n",
			network->bridge, RA_INTERVAL);
}

void dnsmasq_print(const struct dnsmasq_options *options, FILE *out)
{
	print_service(options, out);
	print_dhcp(options, out);
}

/** print() - dnsmasq_print() as file_replace() calls it. */
static void print(const void *context, FILE *out)
{
	dnsmasq_print(context, out);
}

int dnsmasq_write(const char *path, const struct dnsmasq_options *options)
{
	return file_replace(path, print, options);
}
