#include "netfw/encode.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/*
 * nft's numbers of types, by which it lists a map's elements; the kernel only stores them. Six bits
 * for each part.
 */
#define TYPE_IPV4_ADDR 7u
#define TYPE_IPV6_ADDR 8u
#define TYPE_INET_PROTO 12u
#define TYPE_INET_SERVICE 13u
#define TYPE_CT_DIR 27u
#define TYPE_CONCAT(a, b) ((a) << 6 | (b))

#define WORD ENCODE_WORD
#define MAP_KEY_SIZE (2 * WORD)
#define COUNT_KEY_SIZE (3 * WORD)

/*
 * A nested attribute holds at most 65,535 bytes; this many elements stay well below it and below
 * BATCH_MESSAGE_MAX.
 */
#define ELEMENTS_PER_MESSAGE 250

/*
 * Table, map and list attributes before the elements; then the largest element: two keys and an
 * IPv6 address, or two keys and a counter, each nested.
 */
#define ELEMENTS_HEAD_MAX 256
#define ELEMENT_MAX 112

static_assert(ELEMENTS_HEAD_MAX + ELEMENTS_PER_MESSAGE * ELEMENT_MAX <= BATCH_MESSAGE_MAX,
	      "too many elements");

/** fail() - A libnftnl object could not be allocated. */
static void fail(struct batch *batch)
{
	if (!batch->error)
		batch->error = -ENOMEM;
}

/** table() - One message about the table and nothing in it. */
static void table(struct batch *batch, uint16_t type, uint16_t flags, const char *name)
{
	struct batch_object object = { .kind = BATCH_TABLE, .name = name };
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *message;

	if (!table || nftnl_table_set_str(table, NFTNL_TABLE_NAME, name) < 0)
		fail(batch);
	message = batch_message(batch, type, flags);
	if (message)
		nftnl_table_nlmsg_build_payload(message, table);
	batch_add(batch, message, &object);
	if (table)
		nftnl_table_free(table);
}

void encode_delete(struct batch *batch, const char *name)
{
	table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
	table(batch, NFT_MSG_DELTABLE, 0, name);
}

static uint32_t data_type(const struct set *map)
{
	uint32_t address = map->family == AF_INET ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR;

	return set_has_ranges(map) ? address : TYPE_CONCAT(address, TYPE_INET_SERVICE);
}

static uint32_t data_size(const struct set *map)
{
	size_t address = map->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	return (uint32_t)(address + (set_has_ranges(map) ? 0 : WORD));
}

/** set_key() - What the elements of @set are found by. */
static void set_key(struct nftnl_set *nftnl, const struct set *set)
{
	/*
	 * Sizes of the parts of a key, in bytes and before they are padded; the kernel splits
	 * ranges by them.
	 */
	static const uint8_t parts[] = { sizeof(uint8_t), sizeof(uint8_t), sizeof(uint16_t) };
	uint32_t type = TYPE_CONCAT(TYPE_INET_PROTO, TYPE_INET_SERVICE);
	bool map = set_is_map(set);

	nftnl_set_set_u32(nftnl, NFTNL_SET_KEY_TYPE, map ? type : TYPE_CT_DIR << 12 | type);
	nftnl_set_set_u32(nftnl, NFTNL_SET_KEY_LEN, map ? MAP_KEY_SIZE : COUNT_KEY_SIZE);
	if (set_has_ranges(set))
		nftnl_set_set_data(nftnl, NFTNL_SET_DESC_CONCAT, map ? parts + 1 : parts,
				   map ? sizeof(parts) - 1 : sizeof(parts));
}

/** set_values() - What its elements give: an address, or a count. */
static void set_values(struct nftnl_set *nftnl, const struct set *set)
{
	uint32_t flags = set_has_ranges(set) ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0;
	struct nftnl_expr *counter;

	if (set_is_map(set)) {
		flags |= NFT_SET_MAP;
		nftnl_set_set_u32(nftnl, NFTNL_SET_DATA_TYPE, data_type(set));
		nftnl_set_set_u32(nftnl, NFTNL_SET_DATA_LEN, data_size(set));
	} else if (set_has_ranges(set)) {
		counter = nftnl_expr_alloc("counter");
		if (counter) {
			nftnl_expr_set_u64(counter, NFTNL_EXPR_CTR_BYTES, 0);
			nftnl_expr_set_u64(counter, NFTNL_EXPR_CTR_PACKETS, 0);
			nftnl_set_add_expr(nftnl, counter);
		}
	} else {
		flags |= NFT_SET_EVAL;
		nftnl_set_set_u32(nftnl, NFTNL_SET_DESC_SIZE, RULESET_COUNT_PORTS_SIZE);
	}
	nftnl_set_set_u32(nftnl, NFTNL_SET_FLAGS, flags);
}

static void encode_set(struct batch *batch, const struct ruleset *ruleset, const struct set *set)
{
	struct batch_object object = { .kind = BATCH_SET, .name = set->name };
	struct nftnl_set *nftnl = nftnl_set_alloc();
	struct nlmsghdr *message;

	if (!nftnl || nftnl_set_set_str(nftnl, NFTNL_SET_TABLE, ruleset->key.table) < 0 ||
	    nftnl_set_set_str(nftnl, NFTNL_SET_NAME, set->name) < 0) {
		fail(batch);
	} else {
		nftnl_set_set_u32(nftnl, NFTNL_SET_ID, set->id);
		set_key(nftnl, set);
		set_values(nftnl, set);
	}
	message = batch_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE);
	if (message)
		nftnl_set_nlmsg_build_payload(message, nftnl);
	batch_add(batch, message, &object);
	if (nftnl)
		nftnl_set_free(nftnl);
}

static void encode_chain(struct batch *batch, const struct ruleset *ruleset,
			 const struct chain *chain)
{
	struct batch_object object = { .kind = BATCH_CHAIN,
				       .name = chain->name,
				       .text = chain->type };
	struct nftnl_chain *nftnl = nftnl_chain_alloc();
	struct nlmsghdr *message;

	if (!nftnl || nftnl_chain_set_str(nftnl, NFTNL_CHAIN_TABLE, ruleset->key.table) < 0 ||
	    nftnl_chain_set_str(nftnl, NFTNL_CHAIN_NAME, chain->name) < 0 ||
	    (chain->type && nftnl_chain_set_str(nftnl, NFTNL_CHAIN_TYPE, chain->type) < 0)) {
		fail(batch);
	} else if (chain->type) {
		nftnl_chain_set_u32(nftnl, NFTNL_CHAIN_HOOKNUM, chain->hook_number);
		nftnl_chain_set_s32(nftnl, NFTNL_CHAIN_PRIO, chain->priority);
		nftnl_chain_set_u32(nftnl, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	message = batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	if (message)
		nftnl_chain_nlmsg_build_payload(message, nftnl);
	batch_add(batch, message, &object);
	if (nftnl)
		nftnl_chain_free(nftnl);
}

/** put_value() - One nested NFTA_DATA_VALUE. */
static void put_value(struct nlmsghdr *message, uint16_t type, const void *value, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, value);
	mnl_attr_nest_end(message, nest);
}

static void put_key(struct nlmsghdr *message, uint16_t type, uint8_t proto, uint16_t port)
{
	uint8_t key[MAP_KEY_SIZE] = { proto };
	uint16_t network_order = htons(port);

	memcpy(key + WORD, &network_order, sizeof(network_order));
	put_value(message, type, key, sizeof(key));
}

/** put_element() - One element; what is to be deleted is found by its key alone. */
static void put_element(struct nlmsghdr *message, const struct ruleset *ruleset,
			const struct set *map, uint16_t type, const struct plan_element *element)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	const struct ruleset_key *key = &ruleset->key;
	size_t size = map->family == AF_INET ? sizeof(key->guest) : sizeof(key->guest6);
	uint16_t port = htons(element->guest);
	uint8_t data[16 + WORD] = { 0 };

	memcpy(data, map->family == AF_INET ? (const void *)&key->guest : &key->guest6, size);
	memcpy(data + size, &port, sizeof(port));
	put_key(message, NFTA_SET_ELEM_KEY, element->proto, element->first);
	if (set_has_ranges(map))
		put_key(message, NFTA_SET_ELEM_KEY_END, element->proto, element->last);
	if (type == NFT_MSG_NEWSETELEM)
		put_value(message, NFTA_SET_ELEM_DATA, data, data_size(map));
	mnl_attr_nest_end(message, nest);
}

static void put_count_key(struct nlmsghdr *message, uint16_t type,
			  const struct count_element *element, uint16_t port)
{
	uint8_t key[COUNT_KEY_SIZE] = { element->direction };
	uint16_t network_order = htons(port);

	key[WORD] = element->proto;
	memcpy(key + 2 * WORD, &network_order, sizeof(network_order));
	put_value(message, type, key, sizeof(key));
}

/** put_count() - One element with its counter. */
static void put_count(struct nlmsghdr *message, const struct set *set, uint16_t type,
		      const struct count_element *element)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM), *expr, *data;

	put_count_key(message, NFTA_SET_ELEM_KEY, element, element->first);
	if (set_has_ranges(set))
		put_count_key(message, NFTA_SET_ELEM_KEY_END, element, element->last);
	if (type == NFT_MSG_NEWSETELEM) {
		expr = mnl_attr_nest_start(message, NFTA_SET_ELEM_EXPR);
		mnl_attr_put_strz(message, NFTA_EXPR_NAME, "counter");
		data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
		mnl_attr_put_u64(message, NFTA_COUNTER_BYTES, htobe64(element->bytes));
		mnl_attr_put_u64(message, NFTA_COUNTER_PACKETS, htobe64(element->packets));
		mnl_attr_nest_end(message, data);
		mnl_attr_nest_end(message, expr);
	}
	mnl_attr_nest_end(message, nest);
}

/** begin_elements() - A message with room for elements of @set, and their list. */
static struct nlmsghdr *begin_elements(struct batch *batch, const struct ruleset *ruleset,
				       const struct set *set, uint16_t type,
				       struct nlattr **ret_list)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *message = batch_message(batch, type, flags);

	if (!message)
		return NULL;
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, ruleset->key.table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
	/* A set that is older than the batch has no number. */
	if (batch->rebuilds)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, htonl(set->id));
	*ret_list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	return message;
}

static size_t at_most(size_t n)
{
	return n < ELEMENTS_PER_MESSAGE ? n : ELEMENTS_PER_MESSAGE;
}

void encode_elements(struct batch *batch, const struct ruleset *ruleset, const struct set *map,
		     uint16_t type, const struct plan_element *elements, size_t n)
{
	struct batch_object object = { .kind = BATCH_ELEMENTS, .name = map->name };
	struct nlmsghdr *message;
	struct nlattr *list;

	for (size_t first = 0; first < n; first += object.n) {
		/* What is removed is no forward of the caller's any more. */
		object.elements = type == NFT_MSG_NEWSETELEM ? elements + first : NULL;
		object.n = at_most(n - first);
		message = begin_elements(batch, ruleset, map, type, &list);
		if (!message)
			return;
		/* All are of one size, so an offset in the message says which of them it is. */
		object.offset = message->nlmsg_len;
		for (size_t i = 0; i < object.n; i++)
			put_element(message, ruleset, map, type, &elements[first + i]);
		object.size = (message->nlmsg_len - object.offset) / (uint32_t)object.n;
		mnl_attr_nest_end(message, list);
		batch_add(batch, message, &object);
	}
}

void encode_counts(struct batch *batch, const struct ruleset *ruleset, const struct set *set,
		   uint16_t type, const struct count_element *elements, size_t n)
{
	struct batch_object object = { .kind = BATCH_ELEMENTS, .name = set->name };
	struct nlmsghdr *message;
	struct nlattr *list;

	for (size_t first = 0; first < n; first += at_most(n - first)) {
		message = begin_elements(batch, ruleset, set, type, &list);
		if (!message)
			return;
		for (size_t i = 0; i < at_most(n - first); i++)
			put_count(message, set, type, &elements[first + i]);
		mnl_attr_nest_end(message, list);
		batch_add(batch, message, &object);
	}
}

static void encode_rule(struct batch *batch, const struct ruleset *ruleset,
			const struct ruleset_rule *rule)
{
	const char *chain = ruleset->chains[rule->chain].name;
	struct batch_object object = { .kind = BATCH_RULE, .name = chain, .text = rule->rule.text };
	struct nftnl_rule *nftnl = rule->rule.rule;
	struct nlmsghdr *message;

	if (nftnl_rule_set_str(nftnl, NFTNL_RULE_TABLE, ruleset->key.table) < 0 ||
	    nftnl_rule_set_str(nftnl, NFTNL_RULE_CHAIN, chain) < 0)
		fail(batch);
	message = batch_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	if (message)
		nftnl_rule_nlmsg_build_payload(message, nftnl);
	batch_add(batch, message, &object);
}

void encode_ruleset(struct batch *batch, const struct ruleset *ruleset)
{
	batch->rebuilds = true;
	encode_delete(batch, ruleset->key.table);
	table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, ruleset->key.table);
	for (size_t i = 0; i < ruleset->n_sets; i++)
		encode_set(batch, ruleset, &ruleset->sets[i]);
	for (size_t i = 0; i < ruleset->n_chains; i++)
		encode_chain(batch, ruleset, &ruleset->chains[i]);
	for (size_t i = 0; i < ruleset->n_sets; i++) {
		const struct set *set = &ruleset->sets[i];
		const struct plan_list *elements = ruleset_map(ruleset, set);
		const struct count_list *counts = ruleset_counts(ruleset, set);

		if (set_is_map(set))
			encode_elements(batch, ruleset, set, NFT_MSG_NEWSETELEM, elements->element,
					elements->n);
		else
			encode_counts(batch, ruleset, set, NFT_MSG_NEWSETELEM, counts->element,
				      counts->n);
	}
	for (size_t i = 0; i < ruleset->n_rules; i++)
		encode_rule(batch, ruleset, &ruleset->rules[i]);
}
