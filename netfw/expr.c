#include "netfw/expr.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>

/*
 * The registers overlap: NFT_REG_1 is four words of four bytes, of which NFT_REG32_00 is the first.
 * A key or a result of several parts begins in NFT_REG_1 and goes on in the words behind it.
 */
#define WORD_OF_REG_1(n) (NFT_REG32_00 + (n))

/* Offsets in the network and transport headers. */
#define IPV4_DADDR 16
#define PORT_DESTINATION 2

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

/**
 * add() - Add an expression. Return: it, or NULL if the rule has failed; the setters below take
 * that.
 */
static struct nftnl_expr *add(struct rule *rule, const char *name)
{
	struct nftnl_expr *expr = rule->failed ? NULL : nftnl_expr_alloc(name);

	if (!expr) {
		rule->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(rule->rule, expr);
	return expr;
}

static void set_u32(struct nftnl_expr *expr, uint16_t attr, uint32_t value)
{
	if (expr)
		nftnl_expr_set_u32(expr, attr, value);
}

static void set_data(struct rule *rule, struct nftnl_expr *expr, uint16_t attr, const void *data,
		     uint32_t length)
{
	if (expr && nftnl_expr_set(expr, attr, data, length) < 0)
		rule->failed = true;
}

static void meta(struct rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = add(rule, "meta");

	set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_META_KEY, key);
}

static void payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t length,
		    uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "payload");

	set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, length);
}

static void compare(struct rule *rule, uint32_t op, const void *data, uint32_t length)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	set_data(rule, expr, NFTNL_EXPR_CMP_DATA, data, length);
}

/** any_bit() - Is any bit of @mask set in register 1? */
static void any_bit(struct rule *rule, uint32_t mask)
{
	struct nftnl_expr *expr = add(rule, "bitwise");
	uint32_t zero = 0;

	set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	set_data(rule, expr, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
	set_data(rule, expr, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
	compare(rule, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void ct(struct rule *rule, uint32_t key, uint32_t mask)
{
	struct nftnl_expr *expr = add(rule, "ct");

	set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	any_bit(rule, mask);
}

/**
 * device_name() - Names are compared with all of their 16 bytes: a shorter comparison would be of a
 * prefix.
 */
static void device_name(struct rule *rule, uint32_t key, bool equal, const char *name)
{
	char padded[IF_NAMESIZE] = "";

	snprintf(padded, sizeof(padded), "%s", name);
	meta(rule, key);
	compare(rule, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, padded, sizeof(padded));
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

	meta(rule, NFT_META_NFPROTO);
	compare(rule, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_nfproto(struct rule *rule, uint8_t family)
{
	nfproto(rule, family);
	say(rule, "meta nfproto %s", family == AF_INET ? "ipv4" : "ipv6");
}

void rule_dport(struct rule *rule, uint8_t proto, uint16_t port)
{
	uint16_t network_order = htons(port);

	meta(rule, NFT_META_L4PROTO);
	compare(rule, NFT_CMP_EQ, &proto, sizeof(proto));
	payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, sizeof(network_order),
		NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &network_order, sizeof(network_order));
	say(rule, "%s dport %u", proto == IPPROTO_TCP ? "tcp" : "udp", port);
}

void rule_ip_daddr(struct rule *rule, struct in_addr address)
{
	char text[INET_ADDRSTRLEN];

	nfproto(rule, AF_INET);
	payload(rule, NFT_PAYLOAD_NETWORK_HEADER, IPV4_DADDR, sizeof(address), NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &address, sizeof(address));
	say(rule, "ip daddr %s", inet_ntop(AF_INET, &address, text, sizeof(text)));
}

void rule_ip_daddr_8(struct rule *rule, uint8_t octet)
{
	nfproto(rule, AF_INET);
	payload(rule, NFT_PAYLOAD_NETWORK_HEADER, IPV4_DADDR, sizeof(octet), NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &octet, sizeof(octet));
	say(rule, "ip daddr %u.0.0.0/8", octet);
}

void rule_fib_local(struct rule *rule)
{
	struct nftnl_expr *expr = add(rule, "fib");
	uint32_t local = RTN_LOCAL;

	set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	compare(rule, NFT_CMP_EQ, &local, sizeof(local));
	say(rule, "fib daddr type local");
}

void rule_ct_state(struct rule *rule, uint32_t states, const char *names)
{
	ct(rule, NFT_CT_STATE, states);
	say(rule, "ct state %s", names);
}

void rule_ct_dnat(struct rule *rule)
{
	ct(rule, NFT_CT_STATUS, IPS_DST_NAT);
	say(rule, "ct status dnat");
}

void rule_counter(struct rule *rule)
{
	add(rule, "counter");
	say(rule, "counter packets 0 bytes 0");
}

void rule_verdict(struct rule *rule, int code, const char *chain)
{
	struct nftnl_expr *expr = add(rule, "immediate");
	const char *word;

	set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain) {
		if (expr && nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
			rule->failed = true;
		say(rule, "jump %s", chain);
		return;
	}
	word = code == NF_ACCEPT ? "accept" : code == NF_DROP ? "drop" : "return";
	say(rule, "%s", word);
}

void rule_masquerade(struct rule *rule)
{
	add(rule, "masq");
	say(rule, "masquerade");
}

void rule_dnat_map(struct rule *rule, uint8_t family, const char *map, uint32_t map_id,
		   bool with_port)
{
	unsigned address_words = family == AF_INET ? 1 : 4;
	struct nftnl_expr *expr;

	/* The key: protocol in the first word, port in the second. */
	meta(rule, NFT_META_L4PROTO);
	payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_DESTINATION, sizeof(uint16_t),
		WORD_OF_REG_1(1));

	/* A key that is not in the map ends the rule here. The result takes the key's place. */
	expr = add(rule, "lookup");
	set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
	if (expr && nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, map) < 0)
		rule->failed = true;
	set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, map_id);

	expr = add(rule, "nat");
	set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	set_u32(expr, NFTNL_EXPR_NAT_FAMILY, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	if (with_port)
		set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN,
			family == AF_INET ? WORD_OF_REG_1(address_words) : NFT_REG_2);
	say(rule, "dnat %s to meta l4proto . th dport map @%s", family == AF_INET ? "ip" : "ip6",
	    map);
}
