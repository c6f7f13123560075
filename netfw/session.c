/*
 * From the configuration to a network that stands, in this order: choose, rules, bridge, files, and
 * only then PID 1 is told: who reads the files finds a network that works.
 */
#include "netfw/session.h"

#include "lib/log.h"
#include "lib/netinfo.h"
#include "lib/wire.h"
#include "netfw/dnsmasq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define LEASE_FILE RUN_DIRECTORY "/dnsmasq.leases"

/* Debian's package brings a user for it; without one it is nobody. */
#define DNSMASQ_USER "dnsmasq"

int session_report(const struct session *session, const struct config *config)
{
	const struct netfw_error *error = &session->error;
	const char *key = NULL;
	char origin[512];

	switch (error->fault) {
	case NETFW_FAULT_BRIDGE: key = "bridge"; break;
	case NETFW_FAULT_SUBNET: key = "subnet"; break;
	case NETFW_FAULT_GUEST: key = "guest-address"; break;
	case NETFW_FAULT_FORWARD: key = "forwards"; break;
	case NETFW_FAULT_PRIVILEGE:
	case NETFW_FAULT_KERNEL: log_error("%s", error->text); return EXIT_UNAVAILABLE;
	case NETFW_FAULT_NONE:
	case NETFW_FAULT_SIZE:
	case NETFW_FAULT_UNKNOWN:
	case NETFW_FAULT_SYSTEM: log_error("%s", error->text); return EXIT_FAILURE;
	}
	log_error("%s: [network] %s: %s",
		  config_origin(config, "network", key, origin, sizeof(origin)), key, error->text);
	return EXIT_CONFIG;
}

int demand_make(const struct network_config *network, struct demand *ret_demand)
{
	struct demand demand = {
		.forwards = calloc(network->n_forwards + 1, sizeof(*demand.forwards)),
		.kept = calloc(network->n_keep + 1, sizeof(*demand.kept)),
	};

	if (!demand.forwards || !demand.kept) {
		demand_free(&demand);
		return -ENOMEM;
	}
	for (size_t i = 0; i < network->n_forwards; i++) {
		const struct forward *forward = &network->forwards[i];

		demand.forwards[i] = (struct netfw_forward){
			forward->proto,	      forward->listen_first, forward->listen_last,
			forward->guest_first, forward->all,
		};
	}
	for (size_t i = 0; i < network->n_keep; i++) {
		const struct forward *ports = &network->keep[i];

		demand.kept[i] = (struct netfw_ports){ ports->proto, ports->listen_first,
						       ports->listen_last };
	}
	demand.rules = (struct netfw_rules){
		.forwards = demand.forwards,
		.n_forwards = network->n_forwards,
		.kept = demand.kept,
		.n_kept = network->n_keep,
		.source = network->source == CLIENT_PRESERVE ? NETFW_SOURCE_CLIENT
							     : NETFW_SOURCE_BRIDGE,
	};
	*ret_demand = demand;
	return 0;
}

void demand_free(struct demand *demand)
{
	free(demand->forwards);
	free(demand->kept);
	*demand = (struct demand){ 0 };
}

int session_open(struct session *session, const struct config *config)
{
	const struct network_config *network = &config->network;

	*session = (struct session){ .config = config };
	session->wish = (struct netfw_wish){
		.bridge = network->bridge,
		.subnet = network->subnet.address,
		.prefix = network->subnet.prefix,
		.fixed = network->subnet.fixed,
		.guest = network->guest_address,
		.ipv6 = network->ipv6,
	};
	memcpy(session->wish.guest_mac, config->guest.mac, sizeof(session->wish.guest_mac));
	if (demand_make(network, &session->demand) < 0) {
		log_error("reading the configuration: out of memory");
		return EXIT_FAILURE;
	}
	if (netfw_open(NETFW_TABLE, &session->netfw, &session->error) < 0 ||
	    netfw_choose(session->netfw, &session->wish, &session->network, &session->error) < 0)
		return session_report(session, config);
	return 0;
}

void session_close(struct session *session)
{
	netfw_close(session->netfw);
	demand_free(&session->demand);
}

void session_announce(const struct session *session)
{
	const struct netfw_network *network = &session->network;
	char address[INET_ADDRSTRLEN], guest[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &network->address, address, sizeof(address));
	inet_ntop(AF_INET, &network->guest, guest, sizeof(guest));
	if (network->moved)
		log_info("the %s is in the way of the preferred subnet: the guest's network is "
			 "another one",
			 network->obstacle);
	log_info("bridge %s has %s/%u, the guest %s, MTU %u, %zu forwards", network->bridge,
		 address, network->prefix, guest, network->mtu, session->demand.rules.n_forwards);
	switch (network->ipv6) {
	case NETFW_IPV6_DISABLED:
		log_warning("the guest has no IPv6: it is disabled on new devices: start the "
			    "container with "
			    "--sysctl net.ipv6.conf.default.disable_ipv6=0 --sysctl "
			    "net.ipv6.conf.all.forwarding=1");
		break;
	case NETFW_IPV6_NO_FORWARDING:
		log_warning("nothing is forwarded to the guest by IPv6: start the container with "
			    "--sysctl net.ipv6.conf.all.forwarding=1");
		break;
	case NETFW_IPV6_OFF:
	case NETFW_IPV6_NONE:
	case NETFW_IPV6_ON: break;
	}
}

/** write_netinfo() - For casement-guest. */
static int write_netinfo(const struct netfw_network *network)
{
	struct netinfo info = {
		.address = network->address,
		.prefix = network->prefix,
		.guest_address = network->guest,
		.ipv6 = network->ipv6 == NETFW_IPV6_ON || network->ipv6 == NETFW_IPV6_NO_FORWARDING,
		.address6 = network->address6,
		.prefix6 = network->prefix6,
		.guest_address6 = network->guest6,
		.mtu = network->mtu,
	};

	memcpy(info.bridge, network->bridge, sizeof(info.bridge));
	return netinfo_write(NETINFO_FILE, &info);
}

/** write_dnsmasq() - For dnsmasq. */
static int write_dnsmasq(const struct session *session)
{
	const struct passwd *user = getpwnam(DNSMASQ_USER);
	const struct group *group = user ? getgrgid(user->pw_gid) : NULL;
	struct dnsmasq_options options = {
		.network = &session->network,
		.guest_mac = session->wish.guest_mac,
		.lease_file = LEASE_FILE,
		.user = user ? DNSMASQ_USER : NULL,
		.group = group ? group->gr_name : NULL,
	};

	return dnsmasq_write(DNSMASQ_FILE, &options);
}

/** write_files() - Tell the others. Return: 0 or an exit code, after it was logged. */
static int write_files(const struct session *session)
{
	int r;

	if (mkdir(RUN_DIRECTORY, 0755) < 0 && errno != EEXIST) {
		log_error("%s cannot be made: %s", RUN_DIRECTORY, strerror(errno));
		return EXIT_FAILURE;
	}
	r = write_dnsmasq(session);
	if (r < 0) {
		log_error("%s cannot be written: %s", DNSMASQ_FILE, strerror(-r));
		return EXIT_FAILURE;
	}
	r = write_netinfo(&session->network);
	if (r < 0) {
		log_error("%s cannot be written: %s", NETINFO_FILE, strerror(-r));
		return EXIT_FAILURE;
	}
	return 0;
}

int session_up(struct session *session)
{
	const struct netfw_rules *rules = &session->demand.rules;

	if (netfw_apply(session->netfw, &session->network, rules, NULL, &session->error) < 0 ||
	    netfw_link_up(session->netfw, &session->network, &session->error) < 0)
		return session_report(session, session->config);
	/* Also if nothing was changed: who changed it may not have come to this any more. */
	session_end_flows(session, session->config);
	session_tend_ports(session);
	return write_files(session);
}

void session_end_flows(struct session *session, const struct config *config)
{
	bool removed = config->network.on_remove == ON_REMOVE_CLOSE;
	size_t n = 0;

	if (netfw_end_flows(session->netfw, removed, &n, &session->error) < 0)
		log_warning("%s", session->error.text);
	if (n)
		log_info("connections that began under other rules: %zu ended", n);
}

void session_tend_ports(struct session *session)
{
	if (netfw_tend_ports(session->netfw, &session->network, &session->error) < 0)
		log_warning("the guest may not reach its own forwards: %s", session->error.text);
}

void session_status(const struct session *session, char *buffer, size_t size)
{
	const struct netfw_network *network = &session->network;
	char guest[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &network->guest, guest, sizeof(guest));
	inet_ntop(AF_INET, &network->address, address, sizeof(address));
	snprintf(buffer, size, "%s has %s/%u%s%s%s, the guest %s, %zu forwards", network->bridge,
		 address, network->prefix, network->moved ? " (the " : "",
		 network->moved ? network->obstacle : "",
		 network->moved ? " is in the way of the preferred one)" : "", guest,
		 session->demand.rules.n_forwards);
}

void session_notify(const struct session *session, const char *more)
{
	char guest[INET_ADDRSTRLEN], status[256];

	inet_ntop(AF_INET, &session->network.guest, guest, sizeof(guest));
	session_status(session, status, sizeof(status));
	sd_notifyf(false, "%s=%s\nSTATUS=%s%s", WIRE_GUEST_ADDRESS, guest, status, more);
}
