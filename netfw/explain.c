/*
 * From (sequence number, offset) to a sentence: the sequence number says which message, so which
 * object; the offset says which attribute of it, so which expression of a rule or which element of
 * a map.
 */
#include "netfw/explain.h"

#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/plan.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Which module brings an expression that is not built into nf_tables itself. */
static const struct {
	const char *expression, *module;
} modules[] = {
	{ "ct", "nft_ct" },   { "fib", "nft_fib_inet" },    { "masq", "nft_masq" },
	{ "nat", "nft_nat" }, { "counter", "nft_counter" }, { "lookup", "nf_tables" },
};

static const char *module_of(const char *expression)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		if (streq(modules[i].expression, expression))
			return modules[i].module;
	}
	return "nf_tables";
}

/**
 * expression_at() - Name of the expression that holds @offset of a rule's message.
 *
 * Without an offset it cannot be told; NULL.
 */
static const char *expression_at(const struct nlmsghdr *message, uint32_t offset)
{
	const struct nlattr *attr[NFTA_RULE_EXPRESSIONS + 1], *parts[NFTA_EXPR_NAME + 1],
		*expression = NULL;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	if (!attr[NFTA_RULE_EXPRESSIONS])
		return NULL;
	while ((expression = attr_next_nested(attr[NFTA_RULE_EXPRESSIONS], expression))) {
		size_t begin = (size_t)((const char *)expression - (const char *)message);

		if (offset < begin || offset >= begin + mnl_attr_get_len(expression))
			continue;
		attr_index_nested(expression, parts, ARRAY_SIZE(parts));
		return parts[NFTA_EXPR_NAME] ? mnl_attr_get_str(parts[NFTA_EXPR_NAME]) : NULL;
	}
	return NULL;
}

static const char *reason(const struct talk_answer *answer)
{
	return answer->text[0] ? answer->text : strerror(-answer->code);
}

static int missing(struct netfw_error *error, int code, const char *module, const char *what)
{
	return netfw_fail(
		error, NETFW_FAULT_KERNEL, code,
		"the kernel does not know %s: load the module %s on the host (modprobe %s)", what,
		module, module);
}

/** explain_frame() - The kernel would not even begin, or not commit. */
static int explain_frame(const struct talk_answer *answer, struct netfw_error *error)
{
	if (answer->code == -EPERM)
		return netfw_fail_system(error, answer->code, "changing the packet filter");
	if (answer->code == -EOPNOTSUPP || answer->code == -EINVAL)
		return missing(error, answer->code, "nf_tables", "nftables");
	return netfw_fail(error, NETFW_FAULT_SYSTEM, answer->code, "changing the packet filter: %s",
			  reason(answer));
}

static int explain_rule(const struct batch_object *object, const struct nlmsghdr *message,
			const struct talk_answer *answer, struct netfw_error *error)
{
	const char *expression = expression_at(message, answer->offset);
	char what[64];

	if (answer->code == -ENOENT && expression) {
		snprintf(what, sizeof(what), "the nftables expression \"%s\"", expression);
		return missing(error, answer->code, module_of(expression), what);
	}
	return netfw_fail(error, NETFW_FAULT_SYSTEM, answer->code,
			  "rule \"%s\" of chain %s%s%s%s: %s", object->text, object->name,
			  expression ? ", expression \"" : "", expression ? expression : "",
			  expression ? "\"" : "", reason(answer));
}

static int explain_elements(const struct batch_object *object, const struct talk_answer *answer,
			    struct netfw_error *error)
{
	const struct plan_element *element;
	size_t index = object->n;

	/* Each element is as long as the others, so the offset says which one it is. */
	if (answer->offset >= object->offset && object->size)
		index = (answer->offset - object->offset) / object->size;
	if (index >= object->n || !object->elements)
		return netfw_fail(error, NETFW_FAULT_SYSTEM, answer->code, "elements of %s: %s",
				  object->name, reason(answer));
	element = &object->elements[index];
	netfw_fail_forward(error, element->forward, answer->code,
			   "forward %u, %s port %u: the kernel says: %s", element->forward + 1,
			   plan_proto_name(element->proto), element->first, reason(answer));
	/* Whatever else it says is not the forward's fault. */
	if (error && answer->code != -EEXIST)
		error->fault = NETFW_FAULT_SYSTEM;
	return answer->code;
}

int explain_batch(const struct batch *batch, const struct talk_answer *answer,
		  struct netfw_error *error)
{
	const struct nlmsghdr *message = NULL;
	const struct batch_object *object = batch_find(batch, answer->sequence, &message);
	int code = answer->code;

	if (!object)
		return netfw_fail_system(error, code, "changing the packet filter");
	switch (object->kind) {
	case BATCH_BEGIN:
	case BATCH_END: return explain_frame(answer, error);
	case BATCH_TABLE:
		if (code == -EOPNOTSUPP || code == -EAFNOSUPPORT)
			return missing(error, code, "nf_tables", "nftables tables of family inet");
		if (code == -EPERM)
			return netfw_fail(
				error, NETFW_FAULT_SYSTEM, code,
				"table inet %s belongs to another process that is still running",
				object->name);
		return netfw_fail(error, NETFW_FAULT_SYSTEM, code, "table inet %s: %s",
				  object->name, reason(answer));
	case BATCH_SET:
		if (code == -EOPNOTSUPP)
			return missing(error, code, "nf_tables_set", "nftables sets of this kind");
		/* Once it was a module of its own. */
		if (code == -ENOENT)
			return missing(error, code, "nft_counter", "nftables counters");
		return netfw_fail(error, NETFW_FAULT_SYSTEM, code, "set %s: %s", object->name,
				  reason(answer));
	case BATCH_CHAIN:
		if (code == -ENOENT && object->text && streq(object->text, "nat"))
			return missing(error, code, "nft_chain_nat", "nftables chains of type nat");
		return netfw_fail(error, NETFW_FAULT_SYSTEM, code, "chain %s: %s", object->name,
				  reason(answer));
	case BATCH_RULE: return explain_rule(object, message, answer, error);
	case BATCH_ELEMENTS: return explain_elements(object, answer, error);
	}
	return netfw_fail(error, NETFW_FAULT_SYSTEM, code, "changing the packet filter: %s",
			  reason(answer));
}

int explain_send(int code, size_t length, struct netfw_error *error)
{
	if (code == -EMSGSIZE)
		return netfw_fail(error, NETFW_FAULT_SIZE, code,
				  "the ruleset of %zu bytes is more than a socket may send: set "
				  "net.core.wmem_max to %zu or more",
				  length, 2 * length);
	return netfw_fail_system(error, code, "changing the packet filter");
}
