#include "netfw/rule.h"

#include "lib/util.h"
#include "netfw/expr.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>

/* Offsets in the network and transport headers. */
#define IPV4_SADDR 12
#define IPV4_DADDR 16
#define IPV6_DADDR 24
#define PORT_DESTINATION 2
#define TCP_FLAGS 13

/* Flags in that byte, RFC 9293. */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* The option and where its value stands, RFC 9293. */
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_VALUE 2

void rule_init(struct rule *rule)
{
	*rule = (struct rule){ .rule = nftnl_rule_alloc() };
	rule->failed = !rule->rule;
}

void rule_clear(struct rule *rule)
{
	if (rule->rule)
		nftnl_rule_free(rule->rule);
	*rule = (struct rule){ 0 };
}

static void say(struct rule *rule, const char *format, ...) PRINTF_LIKE(2, 3);

/** say() - Add words, behind a space if they are not the first. */
static void say(struct rule *rule, const char *format, ...)
{
	size_t used = strlen(rule->text);
	va_list args;

	if (used && used < sizeof(rule->text) - 1)
		rule->text[used++] = ' ';
	va_start(args, format);
	vsnprintf(rule->text + used, sizeof(rule->text) - used, format, args);
	va_end(args);
}

/** any_bit() - Is any bit of @mask set in register 1? */
static void any_bit(struct rule *rule, uint32_t mask)
{
	uint32_t zero = 0;

	expr_mask_bits(rule, &mask, sizeof(mask));
	expr_compare(rule, NFT_CMP_NEQ, &zero, sizeof(zero));
}

/**
 * device_name() - Names are compared with all of their 16 bytes: a shorter comparison would be of a
 * prefix.
 */
static void device_name(struct rule *rule, uint32_t key, bool equal, const char *name)
{
	char padded[IF_NAMESIZE] = "";

	snprintf(padded, sizeof(padded), "%s", name);
	expr_meta(rule, key, NFT_REG_1);
	expr_compare(rule, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, padded, sizeof(padded));
}

void rule_iifname(struct rule *rule, bool equal, const char *name)
{
	device_name(rule, NFT_META_IIFNAME, equal, name);
	say(rule, "iifname %s\"%s\"", equal ? "" : "!= ", name);
}

void rule_oifname(struct rule *rule, bool equal, const char *name)
{
	device_name(rule, NFT_META_OIFNAME, equal, name);
	say(rule, "oifname %s\"%s\"", equal ? "" : "!= ", name);
}

/** nfproto() - In a table of family inet, nothing may read an IPv4 header before this. */
static void nfproto(struct rule *rule, uint8_t family)
{
	uint8_t proto = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

	expr_meta(rule, NFT_META_NFPROTO, NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_nfproto(struct rule *rule, uint8_t family)
{
	nfproto(rule, family);
	say(rule, "meta nfproto %s", family == AF_INET ? "ipv4" : "ipv6");
}

/** l4proto() - Nothing may read a transport header before this. */
static void l4proto(struct rule *rule, uint8_t proto)
{
	expr_meta(rule, NFT_META_L4PROTO, NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_l4proto(struct rule *rule, uint8_t proto)
{
	l4proto(rule, proto);
	say(rule, "meta l4proto %s", proto == IPPROTO_TCP ? "tcp" : "udp");
}

void rule_dport(struct rule *rule, uint8_t proto, uint16_t port)
{
	uint16_t network_order = htons(port);

	l4proto(rule, proto);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, sizeof(network_order),
		     NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &network_order, sizeof(network_order));
	say(rule, "%s dport %u", proto == IPPROTO_TCP ? "tcp" : "udp", port);
}

void rule_ip_daddr(struct rule *rule, struct in_addr address)
{
	char text[INET_ADDRSTRLEN];

	nfproto(rule, AF_INET);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, IPV4_DADDR, sizeof(address), NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &address, sizeof(address));
	say(rule, "ip daddr %s", inet_ntop(AF_INET, &address, text, sizeof(text)));
}

void rule_ip6_daddr(struct rule *rule, const struct in6_addr *address)
{
	char text[INET6_ADDRSTRLEN];

	nfproto(rule, AF_INET6);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, IPV6_DADDR, sizeof(*address), NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, address, sizeof(*address));
	say(rule, "ip6 daddr %s", inet_ntop(AF_INET6, address, text, sizeof(text)));
}

/** first_octet() - Of the address at @offset of an IPv4 header. */
static void first_octet(struct rule *rule, uint32_t offset, uint8_t octet)
{
	nfproto(rule, AF_INET);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(octet), NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &octet, sizeof(octet));
}

void rule_ip_saddr_8(struct rule *rule, uint8_t octet)
{
	first_octet(rule, IPV4_SADDR, octet);
	say(rule, "ip saddr %u.0.0.0/8", octet);
}

void rule_ip_daddr_8(struct rule *rule, uint8_t octet)
{
	first_octet(rule, IPV4_DADDR, octet);
	say(rule, "ip daddr %u.0.0.0/8", octet);
}

void rule_fib_local(struct rule *rule)
{
	struct nftnl_expr *expr = expr_add(rule, "fib");
	uint32_t local = RTN_LOCAL;

	expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_compare(rule, NFT_CMP_EQ, &local, sizeof(local));
	say(rule, "fib daddr type local");
}

void rule_ct_state(struct rule *rule, uint32_t states, const char *names)
{
	expr_ct(rule, NFT_CT_STATE, NFT_REG_1);
	any_bit(rule, states);
	say(rule, "ct state %s", names);
}

void rule_ct_dnat(struct rule *rule)
{
	expr_ct(rule, NFT_CT_STATUS, NFT_REG_1);
	any_bit(rule, IPS_DST_NAT);
	say(rule, "ct status dnat");
}

void rule_ct_direction(struct rule *rule, uint8_t direction)
{
	expr_ct(rule, NFT_CT_DIRECTION, NFT_REG_1);
	expr_compare(rule, NFT_CMP_EQ, &direction, sizeof(direction));
	say(rule, "ct direction %s", direction == IP_CT_DIR_ORIGINAL ? "original" : "reply");
}

/**
 * count_key() - Direction, protocol and port in the three words of register 1.
 *
 * The port is that of the client's first packet: on the way to the guest the packet's own may be
 * another one already.
 */
static void count_key(struct rule *rule)
{
	struct nftnl_expr *expr;

	expr_ct(rule, NFT_CT_DIRECTION, NFT_REG_1);
	expr_meta(rule, NFT_META_L4PROTO, WORD_OF_REG_1(1));
	expr = expr_ct(rule, NFT_CT_PROTO_DST, WORD_OF_REG_1(2));
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
}

void rule_counted(struct rule *rule, const char *set, uint32_t set_id)
{
	struct nftnl_expr *expr;

	count_key(rule);
	expr = expr_add(rule, "lookup");
	expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	expr_set_name(rule, expr, NFTNL_EXPR_LOOKUP_SET, set);
	expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, set_id);
	say(rule, RULE_COUNT_KEY " @%s", set);
}

void rule_count(struct rule *rule, const char *set, uint32_t set_id)
{
	struct nftnl_expr *expr, *counter = nftnl_expr_alloc("counter");

	count_key(rule);
	expr = expr_add(rule, "dynset");
	expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
	expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	expr_set_name(rule, expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
	expr_set_u32(expr, NFTNL_EXPR_DYNSET_SET_ID, set_id);
	if (!counter || !expr) {
		rule->failed = true;
		if (counter)
			nftnl_expr_free(counter);
		return;
	}
	nftnl_expr_set_u64(counter, NFTNL_EXPR_CTR_BYTES, 0);
	nftnl_expr_set_u64(counter, NFTNL_EXPR_CTR_PACKETS, 0);
	nftnl_expr_set(expr, NFTNL_EXPR_DYNSET_EXPR, counter, 0);
	say(rule, "add @%s { " RULE_COUNT_KEY " counter }", set);
}

/** tcp_flags() - Are those flags of @mask that are set just @flags, or not? */
static void tcp_flags(struct rule *rule, uint8_t mask, uint32_t op, uint8_t flags)
{
	l4proto(rule, IPPROTO_TCP);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, sizeof(mask), NFT_REG_1);
	expr_mask_bits(rule, &mask, sizeof(mask));
	expr_compare(rule, op, &flags, sizeof(flags));
}

void rule_tcp_mid_stream(struct rule *rule)
{
	tcp_flags(rule, TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK, NFT_CMP_NEQ, TCP_SYN);
	say(rule, "tcp flags != syn / fin,syn,rst,ack");
}

void rule_clamp_mss(struct rule *rule)
{
	struct nftnl_expr *expr;

	tcp_flags(rule, TCP_SYN | TCP_RST, NFT_CMP_EQ, TCP_SYN);
	expr = expr_add(rule, "rt");
	expr_set_u32(expr, NFTNL_EXPR_RT_DREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
	expr = expr_add(rule, "byteorder");
	expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_LEN, sizeof(uint16_t));
	expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SIZE, sizeof(uint16_t));
	expr = expr_add(rule, "exthdr");
	expr_set_u32(expr, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, TCP_OPTION_MSS);
	expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, TCP_OPTION_MSS_VALUE);
	expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, sizeof(uint16_t));
	expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	say(rule, "tcp flags syn / syn,rst tcp option maxseg size set rt mtu");
}

void rule_counter(struct rule *rule)
{
	expr_add(rule, "counter");
	say(rule, "counter packets 0 bytes 0");
}

void rule_verdict(struct rule *rule, int code, const char *chain)
{
	struct nftnl_expr *expr = expr_add(rule, "immediate");
	const char *word;

	expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain) {
		expr_set_name(rule, expr, NFTNL_EXPR_IMM_CHAIN, chain);
		say(rule, "%s %s", code == NFT_GOTO ? "goto" : "jump", chain);
		return;
	}
	word = code == NF_ACCEPT ? "accept" : code == NF_DROP ? "drop" : "return";
	say(rule, "%s", word);
}

void rule_masquerade(struct rule *rule)
{
	expr_add(rule, "masq");
	say(rule, "masquerade");
}

void rule_dnat_map(struct rule *rule, uint8_t family, const char *map, uint32_t map_id,
		   bool with_port)
{
	/* The port stands behind the address: in the word behind it, or in the next register. */
	uint32_t port = family == AF_INET ? WORD_OF_REG_1(1) : NFT_REG_2;
	uint32_t flags = NF_NAT_RANGE_MAP_IPS | (with_port ? NF_NAT_RANGE_PROTO_SPECIFIED : 0);
	struct nftnl_expr *expr;

	/* The key: protocol in the first word, port in the second. */
	expr_meta(rule, NFT_META_L4PROTO, NFT_REG_1);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, sizeof(uint16_t),
		     WORD_OF_REG_1(1));

	/* A key that is not in the map ends the rule here. The result takes the key's place. */
	expr = expr_add(rule, "lookup");
	expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
	expr_set_name(rule, expr, NFTNL_EXPR_LOOKUP_SET, map);
	expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, map_id);

	expr = expr_add(rule, "nat");
	expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	/*
	 * The ends and the flags are what the kernel makes of their absence; with them it tells the
	 * rule as it was told.
	 */
	expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1);
	if (with_port) {
		expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, port);
		expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MAX, port);
	}
	expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, flags);
	say(rule, "dnat %s to meta l4proto . th dport map @%s", family == AF_INET ? "ip" : "ip6",
	    map);
}
