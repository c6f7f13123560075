#include "netfw/expr.h"

struct nftnl_expr *expr_add(struct rule *rule, const char *name)
{
	struct nftnl_expr *expr = rule->failed ? NULL : nftnl_expr_alloc(name);

	if (!expr) {
		rule->failed = true;
		return NULL;
	}
	nftnl_rule_add_expr(rule->rule, expr);
	return expr;
}

void expr_set_u32(struct nftnl_expr *expr, uint16_t attr, uint32_t value)
{
	if (expr)
		nftnl_expr_set_u32(expr, attr, value);
}

void expr_set_name(struct rule *rule, struct nftnl_expr *expr, uint16_t attr, const char *name)
{
	if (expr && nftnl_expr_set_str(expr, attr, name) < 0)
		rule->failed = true;
}

void expr_set_data(struct rule *rule, struct nftnl_expr *expr, uint16_t attr, const void *data,
		   uint32_t length)
{
	if (expr && nftnl_expr_set(expr, attr, data, length) < 0)
		rule->failed = true;
}

void expr_meta(struct rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(rule, "meta");

	expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
	expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
}

void expr_payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(rule, "payload");

	expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
	expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, length);
}

void expr_compare(struct rule *rule, uint32_t op, const void *data, uint32_t length)
{
	struct nftnl_expr *expr = expr_add(rule, "cmp");

	expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	expr_set_data(rule, expr, NFTNL_EXPR_CMP_DATA, data, length);
}

void expr_mask_bits(struct rule *rule, const void *mask, uint32_t length)
{
	struct nftnl_expr *expr = expr_add(rule, "bitwise");
	const uint32_t zero = 0;

	expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, length);
	expr_set_data(rule, expr, NFTNL_EXPR_BITWISE_MASK, mask, length);
	expr_set_data(rule, expr, NFTNL_EXPR_BITWISE_XOR, &zero, length);
}

struct nftnl_expr *expr_ct(struct rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(rule, "ct");

	expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
	expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	return expr;
}
