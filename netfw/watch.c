#include "netfw/watch.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

int watch_open(struct watch *watch)
{
	int r = talk_open(&watch->talk, NETLINK_NETFILTER);

	if (r < 0)
		return r;
	watch->open = true;
	watch_listen(watch, true);
	if (watch->listening)
		return 0;
	r = -errno;
	watch_close(watch);
	return r;
}

void watch_close(struct watch *watch)
{
	talk_close(&watch->talk);
	watch->open = watch->listening = false;
}

void watch_listen(struct watch *watch, bool on)
{
	int group = NFNLGRP_NFTABLES;

	if (watch->open && watch->listening != on &&
	    mnl_socket_setsockopt(watch->talk.socket,
				  on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
				  sizeof(group)) == 0)
		watch->listening = on;
}

/** is_foreign() - Is it the end of a transaction that is not our own? By whom? */
static bool is_foreign(const struct nlmsghdr *message, uint32_t own, struct netfw_foreign *foreign)
{
	const struct nlattr *attr[NFTA_GEN_MAX + 1];

	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
		return false;
	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	if (ntohl(attr_u32(attr[NFTA_GEN_ID], 0)) == own)
		return false;
	foreign->pid = ntohl(attr_u32(attr[NFTA_GEN_PROC_PID], 0));
	attr_text(attr[NFTA_GEN_PROC_NAME], foreign->name, sizeof(foreign->name));
	return true;
}

bool watch_read(struct watch *watch, uint32_t own, struct netfw_foreign *ret_foreign)
{
	char buffer[TALK_BUFFER_SIZE];
	bool changed = false;

	while (watch->open) {
		const struct nlmsghdr *part = (const struct nlmsghdr *)buffer;
		ssize_t n = recv(mnl_socket_get_fd(watch->talk.socket), buffer, sizeof(buffer),
				 MSG_DONTWAIT);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		/* More was told than there was room for: somebody did something. */
		if (n < 0 && errno == ENOBUFS) {
			changed = true;
			continue;
		}
		if (n <= 0)
			break;
		for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left))
			changed = is_foreign(part, own, ret_foreign) || changed;
	}
	return changed;
}
