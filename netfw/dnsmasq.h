/*
 * The configuration of the dnsmasq that serves the guest: DHCP, DNS and, with IPv6, router
 * advertisements.
 */
#pragma once

#include "netfw/netfw.h"

struct dnsmasq_options {
	const struct netfw_network *network;
	const uint8_t *guest_mac;
	const char *lease_file;
	const char *user;  /* to run as once the ports are open; NULL: dnsmasq's own default */
	const char *group; /* NULL: the same */
};

/** dnsmasq_print() - The text of the file. */
void dnsmasq_print(const struct dnsmasq_options *options, FILE *out);

/** dnsmasq_write() - Replace @path atomically. Return: 0 or -errno. */
int dnsmasq_write(const char *path, const struct dnsmasq_options *options);
