/*
 * Reading, then deleting: the entries to be deleted are kept as the attributes by which the kernel
 * told them, so that it is asked in its own words.
 */
#include "netfw/conntrack.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* An original tuple of IPv6, the number and the zone. */
#define ENTRY_MAX 160

/* How often the list is read anew because it changed meanwhile; then what was read must do. */
#define TRIES 4

/* One entry that shall go. */
struct entry {
	uint8_t family;
	uint8_t length; /* of the attributes */
	char attributes[ENTRY_MAX];
};

struct sweep {
	const struct flow_judge *judge;
	struct entry *entries;
	size_t n, room;
};

static uint16_t port_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U16) == 0 ? ntohs(mnl_attr_get_u16(attr))
								  : 0;
}

/** take_address() - Return: false if @attr is no address of @family. */
static bool take_address(const struct nlattr *attr, uint8_t family, struct flow_address *address)
{
	size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(address->bytes, mnl_attr_get_payload(attr), size);
	return true;
}

/** take_tuple() - One direction of an entry. */
static bool take_tuple(const struct nlattr *tuple, uint8_t family, struct flow_address *source,
		       struct flow_address *destination, const struct nlattr *proto[],
		       size_t n_proto)
{
	const struct nlattr *part[CTA_TUPLE_PROTO + 1], *ip[CTA_IP_V6_DST + 1];
	bool ipv4 = family == AF_INET;

	attr_index_nested(tuple, part, ARRAY_SIZE(part));
	attr_index_nested(part[CTA_TUPLE_IP], ip, ARRAY_SIZE(ip));
	attr_index_nested(part[CTA_TUPLE_PROTO], proto, n_proto);
	return take_address(ip[ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], family, source) &&
	       take_address(ip[ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST], family, destination);
}

/** read_flow() - Return: false for an entry that is not of IP with ports. */
static bool read_flow(uint8_t family, const struct nlattr *attr[], struct flow *ret_flow)
{
	const struct nlattr *proto[CTA_PROTO_DST_PORT + 1];
	struct flow flow = { .family = family };
	struct flow_address scrap;

	if ((family != AF_INET && family != AF_INET6) ||
	    !take_tuple(attr[CTA_TUPLE_ORIG], family, &flow.client, &flow.asked, proto,
			ARRAY_SIZE(proto)))
		return false;
	if (!proto[CTA_PROTO_NUM] || mnl_attr_validate(proto[CTA_PROTO_NUM], MNL_TYPE_U8) < 0)
		return false;
	flow.proto = mnl_attr_get_u8(proto[CTA_PROTO_NUM]);
	flow.asked_port = port_of(proto[CTA_PROTO_DST_PORT]);
	if (!take_tuple(attr[CTA_TUPLE_REPLY], family, &flow.answers, &scrap, proto,
			ARRAY_SIZE(proto)))
		return false;
	flow.answers_port = port_of(proto[CTA_PROTO_SRC_PORT]);
	flow.forwarded = ntohl(attr_u32(attr[CTA_STATUS], 0)) & IPS_DST_NAT;
	*ret_flow = flow;
	return true;
}

/** keep() - Note an entry for deletion. Return: 0 or -ENOMEM. */
static int keep(struct sweep *sweep, uint8_t family, const struct nlattr *attr[])
{
	/* The zone is left out where there is none. */
	const struct nlattr *wanted[] = { attr[CTA_TUPLE_ORIG], attr[CTA_ID], attr[CTA_ZONE] };
	struct entry entry = { .family = family };

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t size = wanted[i] ? ATTR_ALIGN(mnl_attr_get_len(wanted[i])) : 0;

		if (entry.length + size > sizeof(entry.attributes))
			return 0;
		if (wanted[i])
			memcpy(entry.attributes + entry.length, wanted[i],
			       mnl_attr_get_len(wanted[i]));
		entry.length = (uint8_t)(entry.length + size);
	}
	if (sweep->n == sweep->room) {
		size_t room = sweep->room ? 2 * sweep->room : 16;
		void *grown = reallocarray(sweep->entries, room, sizeof(entry));

		if (!grown)
			return -ENOMEM;
		sweep->entries = grown;
		sweep->room = room;
	}
	sweep->entries[sweep->n++] = entry;
	return 0;
}

static int on_entry(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *general = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[CTA_ZONE + 1];
	struct sweep *sweep = context;
	struct flow flow;

	attr_index(message, sizeof(*general), attr, ARRAY_SIZE(attr));
	if (!read_flow(general->nfgen_family, attr, &flow) || !flow_is_stale(sweep->judge, &flow))
		return MNL_CB_OK;
	if (keep(sweep, general->nfgen_family, attr) < 0) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

/** begin() - A message of ctnetlink about @family. */
static struct nlmsghdr *begin(struct talk *filter, void *buffer, uint16_t type, uint8_t family)
{
	struct nlmsghdr *message =
		talk_message(filter, buffer, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), 0);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof(*general));

	general->nfgen_family = family;
	general->version = NFNETLINK_V0;
	return message;
}

/** find() - All stale entries. Return: 0 or -errno. */
static int find(struct talk *filter, struct sweep *sweep)
{
	char buffer[NLMSG_HDRLEN + sizeof(struct nfgenmsg)];
	int r = -EINTR;

	for (int i = 0; i < TRIES && r == -EINTR; i++) {
		sweep->n = 0;
		r = talk_dump(filter, begin(filter, buffer, IPCTNL_MSG_CT_GET, AF_UNSPEC), on_entry,
			      sweep);
	}
	return r == -EINTR ? 0 : r;
}

/** delete() - One entry. Return: 1; 0 if it is gone already; or -errno. */
static int delete (struct talk *filter, const struct entry *entry)
{
	char buffer[NLMSG_HDRLEN + sizeof(struct nfgenmsg) + ENTRY_MAX];
	struct nlmsghdr *message = begin(filter, buffer, IPCTNL_MSG_CT_DELETE, entry->family);
	int r;

	memcpy(mnl_nlmsg_get_payload_tail(message), entry->attributes, entry->length);
	message->nlmsg_len += entry->length;
	r = talk_request(filter, message, NULL, NULL, NULL);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

int conntrack_end(struct talk *filter, const struct flow_judge *judge, size_t *ret_n,
		  struct netfw_error *error)
{
	struct sweep sweep = { .judge = judge };
	size_t ended = 0;
	int r = find(filter, &sweep);

	for (size_t i = 0; i < sweep.n && r >= 0; i++) {
		r = delete (filter, &sweep.entries[i]);
		ended += r > 0;
	}
	free(sweep.entries);
	*ret_n = ended;
	if (r == -EOPNOTSUPP || r == -EINVAL)
		return netfw_fail(
			error, NETFW_FAULT_KERNEL, r,
			"tracked connections cannot be read: load the module "
			"nf_conntrack_netlink on the host (modprobe nf_conntrack_netlink)");
	return r < 0 ? netfw_fail_system(error, r, "ending old connections") : 0;
}
