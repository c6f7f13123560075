#include "netfw/attr.h"

#include <stdio.h>

const struct nlattr *attr_next(const void *begin, size_t length, const struct nlattr *before)
{
	const char *at = before ? (const char *)before + ATTR_ALIGN(before->nla_len) : begin;
	size_t used = (size_t)(at - (const char *)begin);
	const struct nlattr *attr = (const struct nlattr *)at;

	return used < length && mnl_attr_ok(attr, (int)(length - used)) ? attr : NULL;
}

const struct nlattr *attr_next_nested(const struct nlattr *outer, const struct nlattr *before)
{
	return attr_next(mnl_attr_get_payload(outer), mnl_attr_get_payload_len(outer), before);
}

/** index_all() - The work of the two functions below. */
static void index_all(const void *begin, size_t length, const struct nlattr *table[], size_t n)
{
	const struct nlattr *attr = NULL;

	for (size_t i = 0; i < n; i++)
		table[i] = NULL;
	while ((attr = attr_next(begin, length, attr))) {
		if (mnl_attr_get_type(attr) < n)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

void attr_index(const struct nlmsghdr *message, size_t header, const struct nlattr *table[],
		size_t n)
{
	size_t length = mnl_nlmsg_get_payload_len(message), skip = ATTR_ALIGN(header);

	index_all(mnl_nlmsg_get_payload_offset(message, skip), length > skip ? length - skip : 0,
		  table, n);
}

void attr_index_nested(const struct nlattr *outer, const struct nlattr *table[], size_t n)
{
	if (outer)
		index_all(mnl_attr_get_payload(outer), mnl_attr_get_payload_len(outer), table, n);
	else
		index_all(NULL, 0, table, n);
}

uint8_t attr_u8(const struct nlattr *attr, uint8_t otherwise)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U8) == 0 ? mnl_attr_get_u8(attr)
								 : otherwise;
}

uint32_t attr_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr)
								  : otherwise;
}

void attr_text(const struct nlattr *attr, char *buffer, size_t size)
{
	if (attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(buffer, size, "%s", mnl_attr_get_str(attr));
}
