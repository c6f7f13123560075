/*
 * Single expressions of a rule, for rule.c: each is added at the end. After -ENOMEM the rule has
 * failed, and everything does nothing.
 */
#pragma once

#include "netfw/rule.h"

#include <libnftnl/expr.h>
#include <linux/netfilter/nf_tables.h>

/*
 * The registers overlap: NFT_REG_1 is four words of four bytes, of which NFT_REG32_00 is the first.
 * A key or a result of several parts begins in NFT_REG_1 and goes on in the words behind it.
 */
#define WORD_OF_REG_1(n) (NFT_REG32_00 + (n))

/**
 * expr_add() - An expression of any kind. Return: it, or NULL if the rule has failed; the setters
 * below take that.
 */
struct nftnl_expr *expr_add(struct rule *rule, const char *name);

void expr_set_u32(struct nftnl_expr *expr, uint16_t attr, uint32_t value);
void expr_set_name(struct rule *rule, struct nftnl_expr *expr, uint16_t attr, const char *name);
void expr_set_data(struct rule *rule, struct nftnl_expr *expr, uint16_t attr, const void *data,
		   uint32_t length);

/** expr_meta() - Load something about the packet, NFT_META_*, into @reg. */
void expr_meta(struct rule *rule, uint32_t key, uint32_t reg);

/** expr_payload() - Load bytes of a header, NFT_PAYLOAD_*_HEADER, into @reg. */
void expr_payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg);

/** expr_ct() - Load something about the connection, NFT_CT_*, into @reg. Return: the expression,
 * for a key that wants a direction. */
struct nftnl_expr *expr_ct(struct rule *rule, uint32_t key, uint32_t reg);

/** expr_compare() - Compare register 1, NFT_CMP_*: the rule ends here if it is not so. */
void expr_compare(struct rule *rule, uint32_t op, const void *data, uint32_t length);

/** expr_mask_bits() - Keep only those bits of register 1 that are set in @mask, up to 4 bytes. */
void expr_mask_bits(struct rule *rule, const void *mask, uint32_t length);
