/*
 * Rules, built phrase by phrase: each function adds the expressions for the kernel and, from the
 * same arguments, the words for people. So what `show` prints cannot differ from what is
 * programmed.
 *
 * The register numbers and the order of the expressions are those that nft compiles the same words
 * to; nft then lists them as these words. tests/unit/golden-netfw holds the bytes of every rule.
 */
#pragma once

#include <libnftnl/rule.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define RULE_TEXT_MAX 160

/* A key of the counters: direction, protocol, port that the client asked for. */
#define RULE_COUNT_KEY "ct direction . meta l4proto . ct original proto-dst"

struct rule {
	struct nftnl_rule *rule; /* NULL after -ENOMEM */
	bool failed;		 /* sticky: something of it could not be allocated */
	char text[RULE_TEXT_MAX];
};

/** rule_init() - An empty rule, to be freed with rule_clear(). */
void rule_init(struct rule *rule);
void rule_clear(struct rule *rule);

/* What a packet must be. The texts are nft's. */
void rule_iifname(struct rule *rule, bool equal, const char *name);	/* iifname [!=] "NAME" */
void rule_oifname(struct rule *rule, bool equal, const char *name);	/* oifname [!=] "NAME" */
void rule_nfproto(struct rule *rule, uint8_t family);			/* meta nfproto ipv4|ipv6 */
void rule_l4proto(struct rule *rule, uint8_t proto);			/* meta l4proto tcp|udp */
void rule_dport(struct rule *rule, uint8_t proto, uint16_t port);	/* tcp|udp dport PORT */
void rule_ip_daddr(struct rule *rule, struct in_addr address);		/* ip daddr ADDRESS */
void rule_ip6_daddr(struct rule *rule, const struct in6_addr *address); /* ip6 daddr ADDRESS */
void rule_ip_saddr_8(struct rule *rule, uint8_t octet);			/* ip saddr OCTET.0.0.0/8 */
void rule_ip_daddr_8(struct rule *rule, uint8_t octet);			/* ip daddr OCTET.0.0.0/8 */
void rule_fib_local(struct rule *rule);					/* fib daddr type local */
void rule_ct_state(struct rule *rule, uint32_t states, const char *names); /* ct state NAMES */
void rule_tcp_mid_stream(struct rule *rule); /* tcp flags != syn / fin,syn,rst,ack */
void rule_ct_dnat(struct rule *rule);	     /* ct status dnat */
void rule_ct_direction(struct rule *rule, uint8_t direction); /* ct direction original|reply */

/**
 * rule_counted() - RULE_COUNT_KEY @SET: is it in that set? If so, the element counts it.
 *
 * To stand behind rule_l4proto(), without which nft does not know what kind of port it is.
 */
void rule_counted(struct rule *rule, const char *set, uint32_t set_id);

/* What happens to it. */
void rule_counter(struct rule *rule); /* counter packets 0 bytes 0 */
void rule_verdict(struct rule *rule, int code,
		  const char *chain);	 /* accept|drop|return|jump CHAIN|goto CHAIN */
void rule_masquerade(struct rule *rule); /* masquerade */

/**
 * rule_count() - add @SET { RULE_COUNT_KEY counter }: to stand behind rule_l4proto().
 *
 * An element that is there already counts, too. `update` would do the same, but kernels before 5.16
 * have it for sets with a timeout only.
 */
void rule_count(struct rule *rule, const char *set, uint32_t set_id);

/**
 * rule_clamp_mss() - tcp flags syn / syn,rst tcp option maxseg size set rt mtu
 *
 * The kernel takes the smaller one of the routes there and back, and never raises what is there.
 */
void rule_clamp_mss(struct rule *rule);

/**
 * rule_dnat_map() - dnat ip|ip6 to meta l4proto . th dport map @MAP
 * @family: AF_INET or AF_INET6
 * @with_port: the map gives address and port, otherwise the address alone
 */
void rule_dnat_map(struct rule *rule, uint8_t family, const char *map, uint32_t map_id,
		   bool with_port);
