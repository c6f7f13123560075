/*
 * The library's face: each public function in the order of its steps. A handle is two sockets, kept
 * open: closing a socket that replaced a table costs the kernel milliseconds. Whoever wants to hear
 * of others' changes has a third one, and of devices a fourth.
 */
#include "netfw/netfw.h"

#include "netfw/choose.h"
#include "netfw/conntrack.h"
#include "netfw/error.h"
#include "netfw/link.h"
#include "netfw/ports.h"
#include "netfw/table.h"
#include "netfw/transact.h"
#include "netfw/watch.h"

#include <errno.h>

struct netfw {
	struct talk route;
	struct talk filter;
	struct table table;
	struct watch watch;
	struct talk port_news;
	bool missed; /* somebody changed the ruleset while nobody listened */
};

int netfw_open(const char *table, struct netfw **ret_netfw, struct netfw_error *error)
{
	size_t length = strlen(table);
	struct netfw *netfw;
	int r;

	if (length == 0 || length >= RULESET_TABLE_MAX)
		return netfw_fail(error, NETFW_FAULT_SYSTEM, -EINVAL,
				  "\"%.40s\" cannot be a table's name", table);
	netfw = calloc(1, sizeof(*netfw));
	if (!netfw)
		return netfw_fail_system(error, -ENOMEM, "opening netlink sockets");
	r = talk_open(&netfw->route, NETLINK_ROUTE);
	if (r < 0)
		netfw_fail_system(error, r, "opening the rtnetlink socket");
	if (r == 0) {
		r = talk_open(&netfw->filter, NETLINK_NETFILTER);
		if (r == -EPROTONOSUPPORT)
			netfw_fail(error, NETFW_FAULT_KERNEL, r,
				   "the kernel does not know nftables: load the module nf_tables "
				   "on the host (modprobe nf_tables)");
		else if (r < 0)
			netfw_fail_system(error, r, "opening the netfilter socket");
	}
	if (r == 0) {
		r = table_init(&netfw->table, &netfw->filter, table);
		if (r < 0)
			netfw_fail_system(error, r, "making room for the ruleset");
	}
	if (r < 0) {
		netfw_close(netfw);
		return r;
	}
	*ret_netfw = netfw;
	return 0;
}

void netfw_close(struct netfw *netfw)
{
	if (!netfw)
		return;
	watch_close(&netfw->watch);
	talk_close(&netfw->port_news);
	table_clear(&netfw->table);
	talk_close(&netfw->route);
	talk_close(&netfw->filter);
	free(netfw);
}

/** read_flag() - A file that holds one number. Return: false if it is 0 or there is none. */
static bool read_flag(const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	int value = 0;

	return file && fscanf(file, "%d", &value) == 1 && value != 0;
}

/** read_switch() - One of the kernel's IPv6 switches of a device, or of "default" or "all". */
static bool read_switch(const char *device, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", device, name);
	return read_flag(path);
}

int netfw_choose(struct netfw *netfw, const struct netfw_wish *wish,
		 struct netfw_network *ret_network, struct netfw_error *error)
{
	struct ipv6_switches switches = { 0 };
	struct view view = { 0 };
	int r;

	r = view_read(&netfw->route, &view);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the container's network");
	if (wish->ipv6) {
		/*
		 * rtnetlink does not tell the defaults, and these files can be read even where they
		 * cannot be written.
		 */
		switches.disabled = read_switch(
			view_device_named(&view, wish->bridge) ? wish->bridge : "default",
			"disable_ipv6");
		switches.forwarding = read_switch("all", "forwarding");
	}
	r = choose_network(wish, netfw->table.name, &view, &switches, ret_network, error);
	view_clear(&view);
	return r;
}

int netfw_apply(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, enum netfw_change *ret_change,
		struct netfw_error *error)
{
	uint32_t generation = 0;
	int r;

	watch_listen(&netfw->watch, false);
	r = table_apply(&netfw->table, network, rules, ret_change, error);
	watch_listen(&netfw->watch, true);
	/* What happened between the transaction and the last line was told to nobody. */
	if (netfw->watch.open && (transact_generation(&netfw->filter, &generation, NULL) < 0 ||
				  generation != netfw->table.generation))
		netfw->missed = true;
	return r;
}

int netfw_check(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, struct netfw_error *error)
{
	return table_check(&netfw->table, network, rules, error);
}

int netfw_end_flows(struct netfw *netfw, bool removed, size_t *ret_n, struct netfw_error *error)
{
	const struct table *table = &netfw->table;
	struct view view = { 0 };
	const struct flow_judge judge = {
		.plan = &table->plan,
		.gone = &table->gone,
		.guest = table->key.guest,
		.guest6 = table->key.guest6,
		.view = &view,
		.removed = removed,
	};
	size_t n = 0;
	int r = view_read(&netfw->route, &view);

	if (r < 0)
		netfw_fail_system(error, r, "reading the container's network");
	else
		r = conntrack_end(&netfw->filter, &judge, &n, error);
	view_clear(&view);
	if (r == 0)
		table_forget_gone(&netfw->table);
	if (ret_n)
		*ret_n = n;
	return r;
}

int netfw_count(struct netfw *netfw, struct netfw_count *ret_counts, size_t n,
		struct netfw_error *error)
{
	return table_count(&netfw->table, ret_counts, n, error);
}

int netfw_watch(struct netfw *netfw, int *ret_fd, struct netfw_error *error)
{
	int r = watch_open(&netfw->watch);

	if (r < 0)
		return netfw_fail_system(error, r, "listening for changes of the packet filter");
	*ret_fd = mnl_socket_get_fd(netfw->watch.talk.socket);
	return 0;
}

bool netfw_foreign_changes(struct netfw *netfw, struct netfw_foreign *ret_foreign)
{
	bool missed = netfw->missed;

	*ret_foreign = (struct netfw_foreign){ 0 };
	netfw->missed = false;
	return watch_read(&netfw->watch, netfw->table.generation, ret_foreign) || missed;
}

int netfw_link_up(struct netfw *netfw, const struct netfw_network *network,
		  struct netfw_error *error)
{
	struct view view = { 0 };
	int r;

	r = view_read(&netfw->route, &view);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the container's network");
	r = link_up(&netfw->route, netfw->table.name, network, &view, error);
	view_clear(&view);
	return r;
}

int netfw_watch_ports(struct netfw *netfw, int *ret_fd, struct netfw_error *error)
{
	int r = ports_watch(&netfw->port_news);

	if (r < 0)
		return netfw_fail_system(error, r, "listening for devices");
	*ret_fd = mnl_socket_get_fd(netfw->port_news.socket);
	return 0;
}

int netfw_tend_ports(struct netfw *netfw, const struct netfw_network *network,
		     struct netfw_error *error)
{
	const struct view_device *bridge;
	struct view view = { 0 };
	int r;

	if (netfw->port_news.socket)
		ports_forget_news(&netfw->port_news);
	if (!read_flag("/proc/sys/net/bridge/bridge-nf-call-iptables") &&
	    !read_flag("/proc/sys/net/bridge/bridge-nf-call-ip6tables"))
		return 0;
	r = view_read(&netfw->route, &view);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the container's network");
	bridge = view_device_named(&view, network->bridge);
	if (bridge && choose_is_ours(bridge, netfw->table.name))
		r = ports_tend(&netfw->route, &view, bridge, error);
	view_clear(&view);
	return r;
}

int netfw_clear(struct netfw *netfw, const char *bridge, struct netfw_error *error)
{
	struct view view = { 0 };
	int r;

	r = view_read(&netfw->route, &view);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the container's network");
	/*
	 * The bridge first: without the rules the guest would be open to whoever can route to it.
	 */
	r = link_down(&netfw->route, netfw->table.name, bridge, &view, error);
	view_clear(&view);
	return r < 0 ? r : table_delete(&netfw->table, error);
}

int netfw_print(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_rules *rules, FILE *out, struct netfw_error *error)
{
	return table_print(&netfw->table, network, rules, out, error);
}
