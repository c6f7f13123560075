/*
 * The library's face: each public function in the order of its steps. A handle is two sockets, kept
 * open: closing a socket that replaced a table costs the kernel milliseconds.
 */
#include "netfw/netfw.h"

#include "netfw/attr.h"
#include "netfw/choose.h"
#include "netfw/encode.h"
#include "netfw/error.h"
#include "netfw/explain.h"
#include "netfw/link.h"
#include "netfw/print.h"
#include "netfw/talk.h"
#include "netfw/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* How often a transaction is tried anew because somebody else changed another table meanwhile. */
#define TRIES 16

struct netfw {
	char table[RULESET_TABLE_MAX];
	struct talk route;
	struct talk filter;
};

int netfw_open(const char *table, struct netfw **ret_netfw, struct netfw_error *error)
{
	size_t length = strlen(table);
	struct netfw *netfw;
	int r;

	if (length == 0 || length >= sizeof(netfw->table))
		return netfw_fail(error, NETFW_FAULT_SYSTEM, -EINVAL,
				  "\"%.40s\" cannot be a table's name", table);
	netfw = calloc(1, sizeof(*netfw));
	if (!netfw)
		return netfw_fail_system(error, -ENOMEM, "opening netlink sockets");
	memcpy(netfw->table, table, length + 1);
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
	r = choose_network(wish, netfw->table, &view, &switches, ret_network, error);
	view_clear(&view);
	return r;
}

static int on_generation(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_GEN_ID + 1];
	uint32_t *generation = context;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	*generation = ntohl(attr_u32(attr[NFTA_GEN_ID], 0));
	return MNL_CB_OK;
}

/** read_generation() - The number of the ruleset's present state; every transaction adds one. */
static int read_generation(struct netfw *netfw, uint32_t *ret_generation)
{
	char buffer[NLMSG_HDRLEN + sizeof(struct nfgenmsg)];
	struct nlmsghdr *message;

	message = talk_message(&netfw->filter, buffer, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
			       0);
	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	return talk_request(&netfw->filter, message, on_generation, ret_generation, NULL);
}

/** explain_send() - The batch could not be sent, or its answers not be read. */
static int explain_send(const struct batch *batch, int code, struct netfw_error *error)
{
	if (code == -EMSGSIZE)
		return netfw_fail(error, NETFW_FAULT_SIZE, code,
				  "the ruleset of %zu bytes is more than a socket may send: set "
				  "net.core.wmem_max to %zu or more",
				  batch->length, 2 * batch->length);
	return netfw_fail_system(error, code, "changing the packet filter");
}

/**
 * commit() - Send @batch until no other transaction comes in between, and make sure that it was
 * taken.
 *
 * A kernel that does not complain has not necessarily committed: it ignores a batch that was cut
 * short without a word. So the generation has the last word.
 */
static int commit(struct netfw *netfw, struct batch *batch, const struct plan *plan,
		  struct netfw_error *error)
{
	struct talk_answer answer = { 0 };
	uint32_t before, after;
	int r, sent;

	for (int i = 0; i < TRIES; i++) {
		before = after = 0;
		r = read_generation(netfw, &before);
		if (r < 0)
			return explain_send(batch, r, error);
		batch_set_generation(batch, before);
		sent = talk_batch(&netfw->filter, batch->data, batch->length, &answer);
		if (sent < 0 && sent != -ENOBUFS)
			return explain_send(batch, sent, error);
		if (sent == 0 && answer.code == -ERESTART)
			continue;
		if (sent == 0 && answer.code < 0)
			return explain_batch(batch, plan, &answer, error);
		r = read_generation(netfw, &after);
		if (r == 0 && after != before && sent == 0)
			return 0;
		if (r == 0 && after == before)
			return netfw_fail(error, NETFW_FAULT_SYSTEM, -EIO,
					  "the kernel did not take the ruleset and did not say "
					  "why; the old one is in force");
		return netfw_fail(
			error, NETFW_FAULT_UNKNOWN, -EIO,
			"it is not known whether the kernel took the ruleset: apply it again");
	}
	return netfw_fail(error, NETFW_FAULT_SYSTEM, -EBUSY,
			  "other programs change the packet filter all the time; the old ruleset "
			  "is in force");
}

/** rehearse() - Send @batch, which has no end, for the kernel to check. */
static int rehearse(struct netfw *netfw, struct batch *batch, const struct plan *plan,
		    struct netfw_error *error)
{
	struct talk_answer answer = { 0 };
	uint32_t generation = 0;
	int r = -ERESTART;

	for (int i = 0; i < TRIES && r == -ERESTART; i++) {
		r = read_generation(netfw, &generation);
		if (r < 0)
			return explain_send(batch, r, error);
		batch_set_generation(batch, generation);
		r = talk_batch(&netfw->filter, batch->data, batch->length, &answer);
		if (r < 0)
			return explain_send(batch, r, error);
		r = answer.code;
	}
	return r < 0 ? explain_batch(batch, plan, &answer, error) : 0;
}

/** apply() - Plan, model, encode, send. */
static int apply(struct netfw *netfw, const struct netfw_network *network,
		 const struct netfw_forward *forwards, size_t n_forwards, bool keep,
		 struct netfw_error *error)
{
	struct ruleset ruleset = { 0 };
	struct batch batch = { 0 };
	struct plan plan = { 0 };
	int r;

	r = plan_make(forwards, n_forwards, &plan, error);
	if (r < 0)
		return r;
	r = ruleset_make(netfw->table, network, &plan, &ruleset);
	batch_init(&batch, &netfw->filter.sequence);
	if (r == 0) {
		batch_begin(&batch);
		encode_ruleset(&batch, &ruleset);
		if (keep)
			batch_end(&batch);
		r = batch.error;
	}
	if (r < 0)
		netfw_fail_system(error, r, "building the ruleset");
	else
		r = keep ? commit(netfw, &batch, &plan, error)
			 : rehearse(netfw, &batch, &plan, error);
	batch_clear(&batch);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
	return r;
}

int netfw_apply(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_forward *forwards, size_t n_forwards, struct netfw_error *error)
{
	return apply(netfw, network, forwards, n_forwards, true, error);
}

int netfw_check(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_forward *forwards, size_t n_forwards, struct netfw_error *error)
{
	return apply(netfw, network, forwards, n_forwards, false, error);
}

int netfw_link_up(struct netfw *netfw, const struct netfw_network *network,
		  struct netfw_error *error)
{
	struct view view = { 0 };
	int r;

	r = view_read(&netfw->route, &view);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the container's network");
	r = link_up(&netfw->route, netfw->table, network, &view, error);
	view_clear(&view);
	return r;
}

/** delete_table() - Remove the table, whether it is there or not. */
static int delete_table(struct netfw *netfw, struct netfw_error *error)
{
	struct batch batch = { 0 };
	int r;

	batch_init(&batch, &netfw->filter.sequence);
	batch_begin(&batch);
	encode_delete(&batch, netfw->table);
	batch_end(&batch);
	r = batch.error;
	if (r < 0)
		netfw_fail_system(error, r, "removing the ruleset");
	else
		r = commit(netfw, &batch, NULL, error);
	batch_clear(&batch);
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
	r = link_down(&netfw->route, netfw->table, bridge, &view, error);
	view_clear(&view);
	return r < 0 ? r : delete_table(netfw, error);
}

int netfw_print(struct netfw *netfw, const struct netfw_network *network,
		const struct netfw_forward *forwards, size_t n_forwards, FILE *out,
		struct netfw_error *error)
{
	struct ruleset ruleset = { 0 };
	struct plan plan = { 0 };
	int r;

	r = plan_make(forwards, n_forwards, &plan, error);
	if (r < 0)
		return r;
	r = ruleset_make(netfw->table, network, &plan, &ruleset);
	if (r < 0)
		netfw_fail_system(error, r, "building the ruleset");
	else
		print_ruleset(&ruleset, out);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
	return r;
}
