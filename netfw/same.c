#include "netfw/same.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* No attribute has this type. */
#define NOTHING 0

/* Attributes behind each other. */
struct level {
	const void *begin;
	size_t length;
};

static struct level inside(const struct nlattr *attr)
{
	return (struct level){ mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr) };
}

static struct level of_message(const struct nlmsghdr *message)
{
	size_t header = ATTR_ALIGN(sizeof(struct nfgenmsg));
	size_t length = mnl_nlmsg_get_payload_len(message);

	return (struct level){ mnl_nlmsg_get_payload_offset(message, header),
			       length > header ? length - header : 0 };
}

/** count_before() - How many attributes of @type come before @end; NULL: how many there are. */
static size_t count_before(const struct level *level, uint16_t type, const struct nlattr *end)
{
	const struct nlattr *attr = NULL;
	size_t n = 0;

	while ((attr = attr_next(level->begin, level->length, attr)) && attr != end)
		n += mnl_attr_get_type(attr) == type;
	return n;
}

/** find() - The attribute of @type that has @n of that type before it, or NULL. */
static const struct nlattr *find(const struct level *level, uint16_t type, size_t n)
{
	const struct nlattr *attr = NULL;

	while ((attr = attr_next(level->begin, level->length, attr))) {
		if (mnl_attr_get_type(attr) == type && n-- == 0)
			return attr;
	}
	return NULL;
}

static bool is_zero(const struct nlattr *attr)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);

	for (size_t i = 0; i < mnl_attr_get_payload_len(attr); i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static bool same_payload(const struct nlattr *a, const struct nlattr *b)
{
	size_t length = mnl_attr_get_payload_len(a);

	return length == mnl_attr_get_payload_len(b) &&
	       memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b), length) == 0;
}

/** adds_nothing() - Is what only @theirs has zero? */
static bool adds_nothing(const struct level *ours, const struct level *theirs)
{
	const struct nlattr *attr = NULL;

	while ((attr = attr_next(theirs->begin, theirs->length, attr))) {
		uint16_t type = mnl_attr_get_type(attr);

		if (count_before(theirs, type, attr) >= count_before(ours, type, NULL) &&
		    !is_zero(attr))
			return false;
	}
	return true;
}

/** covers() - Are all attributes of @ours in @theirs? What is nested may not have more in it. */
static bool covers(const struct level *ours, const struct level *theirs, uint16_t skip)
{
	const struct nlattr *attr = NULL;

	while ((attr = attr_next(ours->begin, ours->length, attr))) {
		uint16_t type = mnl_attr_get_type(attr);
		const struct nlattr *other = find(theirs, type, count_before(ours, type, attr));
		struct level in_ours, in_theirs;

		if (skip != NOTHING && type == skip)
			continue;
		if (!other)
			return false;
		/* The kernel does not mark what is nested; we do. */
		if (!(attr->nla_type & NLA_F_NESTED)) {
			if (!same_payload(attr, other))
				return false;
			continue;
		}
		in_ours = inside(attr);
		in_theirs = inside(other);
		if (!covers(&in_ours, &in_theirs, NOTHING) || !adds_nothing(&in_ours, &in_theirs))
			return false;
	}
	return true;
}

bool same_object(const struct nlmsghdr *ours, const struct nlmsghdr *theirs, uint16_t skip)
{
	struct level in_ours = of_message(ours), in_theirs = of_message(theirs);

	return covers(&in_ours, &in_theirs, skip);
}

/** reference() - The attribute by which an expression refers to a set of its own batch. */
static uint16_t reference(const char *expression)
{
	if (streq(expression, "lookup"))
		return NFTA_LOOKUP_SET_ID;
	return streq(expression, "dynset") ? NFTA_DYNSET_SET_ID : NOTHING;
}

static bool same_expression(const struct nlattr *ours, const struct nlattr *theirs)
{
	const struct nlattr *a[NFTA_EXPR_DATA + 1], *b[NFTA_EXPR_DATA + 1];
	struct level in_ours = { 0 }, in_theirs = { 0 };
	const char *name;

	attr_index_nested(ours, a, ARRAY_SIZE(a));
	attr_index_nested(theirs, b, ARRAY_SIZE(b));
	if (!a[NFTA_EXPR_NAME] || !b[NFTA_EXPR_NAME] ||
	    !same_payload(a[NFTA_EXPR_NAME], b[NFTA_EXPR_NAME]))
		return false;
	name = mnl_attr_get_str(a[NFTA_EXPR_NAME]);
	if (streq(name, "counter"))
		return true;
	if (a[NFTA_EXPR_DATA])
		in_ours = inside(a[NFTA_EXPR_DATA]);
	if (b[NFTA_EXPR_DATA])
		in_theirs = inside(b[NFTA_EXPR_DATA]);
	return covers(&in_ours, &in_theirs, reference(name)) && adds_nothing(&in_ours, &in_theirs);
}

bool same_rule(const struct nlmsghdr *ours, const struct nlmsghdr *theirs)
{
	const struct nlattr *a[NFTA_RULE_EXPRESSIONS + 1], *b[NFTA_RULE_EXPRESSIONS + 1];
	const struct nlattr *mine = NULL, *other = NULL;

	attr_index(ours, sizeof(struct nfgenmsg), a, ARRAY_SIZE(a));
	attr_index(theirs, sizeof(struct nfgenmsg), b, ARRAY_SIZE(b));
	if (!a[NFTA_RULE_EXPRESSIONS] || !b[NFTA_RULE_EXPRESSIONS])
		return false;
	for (;;) {
		mine = attr_next_nested(a[NFTA_RULE_EXPRESSIONS], mine);
		other = attr_next_nested(b[NFTA_RULE_EXPRESSIONS], other);
		if (!mine || !other)
			return !mine && !other;
		if (!same_expression(mine, other))
			return false;
	}
}
