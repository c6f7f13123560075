/*
 * The verbs: configuration in, library, files and notifications out. `up` goes in this order:
 * choose, rules, bridge, files, and only then PID 1 is told: who reads the files finds a network
 * that works.
 */
#include "netfw/commands.h"

#include "lib/log.h"
#include "lib/netinfo.h"
#include "lib/wire.h"
#include "netfw/dnsmasq.h"
#include "netfw/netfw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define TABLE "casement"
#define LEASE_FILE RUN_DIRECTORY "/dnsmasq.leases"

/* Debian's package brings a user for it; without one it is nobody. */
#define DNSMASQ_USER "dnsmasq"

/*
 * What a command works with: a handle, the wish, the forwards in the library's form, what was
 * chosen.
 */
struct session {
	const struct config *config;
	struct netfw *netfw;
	struct netfw_wish wish;
	struct netfw_forward *forwards;
	size_t n_forwards;
	struct netfw_network network;
	struct netfw_error error;
};

/**
 * report() - Log why the library failed, with the configuration's place if that is to blame.
 * Return: the exit code.
 */
static int report(const struct session *session)
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
		  config_origin(session->config, "network", key, origin, sizeof(origin)), key,
		  error->text);
	return EXIT_CONFIG;
}

/** translate() - The configuration in the library's terms. Return: 0 or -ENOMEM. */
static int translate(struct session *session)
{
	const struct network_config *network = &session->config->network;

	session->wish = (struct netfw_wish){
		.bridge = network->bridge,
		.subnet = network->subnet.address,
		.prefix = network->subnet.prefix,
		.fixed = network->subnet.fixed,
		.guest = network->guest_address,
		.ipv6 = network->ipv6,
	};
	memcpy(session->wish.guest_mac, session->config->guest.mac,
	       sizeof(session->wish.guest_mac));
	session->forwards = calloc(network->n_forwards + 1, sizeof(*session->forwards));
	if (!session->forwards)
		return -ENOMEM;
	for (size_t i = 0; i < network->n_forwards; i++)
		session->forwards[i] = (struct netfw_forward){
			network->forwards[i].proto, network->forwards[i].listen_first,
			network->forwards[i].listen_last, network->forwards[i].guest_first, false
		};
	session->n_forwards = network->n_forwards;
	return 0;
}

/** session_open() - Everything up to the choice. Return: 0 or an exit code, after it was logged. */
static int session_open(struct session *session, const struct config *config)
{
	*session = (struct session){ .config = config };
	if (translate(session) < 0) {
		log_error("reading the configuration: out of memory");
		return EXIT_FAILURE;
	}
	if (netfw_open(TABLE, &session->netfw, &session->error) < 0)
		return report(session);
	if (netfw_choose(session->netfw, &session->wish, &session->network, &session->error) < 0)
		return report(session);
	return 0;
}

static void session_close(struct session *session)
{
	netfw_close(session->netfw);
	free(session->forwards);
}

/** announce() - Say what was chosen, and what an operator may not expect. */
static void announce(const struct session *session)
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
		 address, network->prefix, guest, network->mtu, session->n_forwards);
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

/** notify() - Tell PID 1; without one there is nobody to tell. */
static void notify(const struct session *session)
{
	char guest[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &session->network.guest, guest, sizeof(guest));
	inet_ntop(AF_INET, &session->network.address, address, sizeof(address));
	sd_notifyf(false, "%s=%s\nSTATUS=%s has %s/%u, the guest %s, %zu forwards",
		   WIRE_GUEST_ADDRESS, guest, session->network.bridge, address,
		   session->network.prefix, guest, session->n_forwards);
}

int command_up(const struct config *config)
{
	struct session session;
	int code = session_open(&session, config);

	if (code == 0) {
		struct netfw_rules rules = { session.forwards, session.n_forwards, NULL, 0, 0 };
		if (netfw_apply(session.netfw, &session.network, &rules, NULL, &session.error) <
			    0 ||
		    netfw_link_up(session.netfw, &session.network, &session.error) < 0)
			code = report(&session);
	}
	if (code == 0)
		code = write_files(&session);
	if (code == 0) {
		announce(&session);
		notify(&session);
	}
	session_close(&session);
	return code;
}

int command_down(const struct config *config)
{
	struct session session = { .config = config };
	int code = EXIT_SUCCESS;

	/*
	 * No choice here: it must be possible to clear a network that could not be chosen any more.
	 */
	unlink(NETINFO_FILE);
	unlink(DNSMASQ_FILE);
	if (netfw_open(TABLE, &session.netfw, &session.error) < 0 ||
	    netfw_clear(session.netfw, config->network.bridge, &session.error) < 0)
		code = report(&session);
	session_close(&session);
	return code;
}

int command_show(const struct config *config)
{
	struct session session;
	int code = session_open(&session, config);

	struct netfw_rules rules = { session.forwards, session.n_forwards, NULL, 0, 0 };
	if (code == 0 &&
	    netfw_print(session.netfw, &session.network, &rules, stdout, &session.error) < 0)
		code = report(&session);
	if (code == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
		log_error("the ruleset cannot be printed: %s", strerror(errno));
		code = EXIT_FAILURE;
	}
	session_close(&session);
	return code;
}

int command_check(const struct config *config)
{
	struct session session;
	int code = session_open(&session, config);

	struct netfw_rules rules = { session.forwards, session.n_forwards, NULL, 0, 0 };
	if (code == 0 && netfw_check(session.netfw, &session.network, &rules, &session.error) < 0)
		code = report(&session);
	if (code == 0)
		announce(&session);
	session_close(&session);
	return code;
}
