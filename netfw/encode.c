#include "netfw/encode.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
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
#define TYPE_CONCAT(a, b) ((a) << 6 | (b))

/* Each part of a key fills whole words. */
#define WORD 4u
#define KEY_SIZE (2 * WORD)

/*
 * A nested attribute holds at most 65,535 bytes; this many elements stay well below it and below
 * BATCH_MESSAGE_MAX.
 */
#define ELEMENTS_PER_MESSAGE 250

/*
 * Table, map and list attributes before the elements; then the largest element: two keys and an
 * IPv6 address, each nested.
 */
#define ELEMENTS_HEAD_MAX 256
#define ELEMENT_MAX 96

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

static uint32_t data_type(const struct map *map)
{
	uint32_t address = map->family == AF_INET ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR;

	return map->ranges ? address : TYPE_CONCAT(address, TYPE_INET_SERVICE);
}

static uint32_t data_size(const struct map *map)
{
	return (map->family == AF_INET ? 4 : 16) + (map->ranges ? 0 : WORD);
}

static void encode_map(struct batch *batch, const struct ruleset *ruleset, const struct map *map)
{
	/*
	 * Sizes of the parts of a key, in bytes and before they are padded; the kernel splits
	 * ranges by them.
	 */
	static const uint8_t parts[] = { sizeof(uint8_t), sizeof(uint16_t) };
	struct batch_object object = { .kind = BATCH_MAP, .name = map->name };
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *message;

	if (!set || nftnl_set_set_str(set, NFTNL_SET_TABLE, ruleset->table) < 0 ||
	    nftnl_set_set_str(set, NFTNL_SET_NAME, map->name) < 0 ||
	    (map->ranges &&
	     nftnl_set_set_data(set, NFTNL_SET_DESC_CONCAT, parts, sizeof(parts)) < 0)) {
		fail(batch);
	} else {
		nftnl_set_set_u32(set, NFTNL_SET_ID, map->id);
		nftnl_set_set_u32(set, NFTNL_SET_FLAGS,
				  NFT_SET_MAP |
					  (map->ranges ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0));
		nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE,
				  TYPE_CONCAT(TYPE_INET_PROTO, TYPE_INET_SERVICE));
		nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, KEY_SIZE);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, data_type(map));
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, data_size(map));
	}
	message = batch_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE);
	if (message)
		nftnl_set_nlmsg_build_payload(message, set);
	batch_add(batch, message, &object);
	if (set)
		nftnl_set_free(set);
}

static void encode_chain(struct batch *batch, const struct ruleset *ruleset,
			 const struct chain *chain)
{
	struct batch_object object = { .kind = BATCH_CHAIN,
				       .name = chain->name,
				       .text = chain->type };
	struct nftnl_chain *nftnl = nftnl_chain_alloc();
	struct nlmsghdr *message;

	if (!nftnl || nftnl_chain_set_str(nftnl, NFTNL_CHAIN_TABLE, ruleset->table) < 0 ||
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
	uint8_t key[KEY_SIZE] = { proto };
	uint16_t network_order = htons(port);

	memcpy(key + WORD, &network_order, sizeof(network_order));
	put_value(message, type, key, sizeof(key));
}

static void put_element(struct nlmsghdr *message, const struct ruleset *ruleset,
			const struct map *map, const struct plan_element *element)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	size_t size = map->family == AF_INET ? sizeof(ruleset->guest) : sizeof(ruleset->guest6);
	uint16_t port = htons(element->guest);
	uint8_t data[16 + WORD] = { 0 };

	memcpy(data, map->family == AF_INET ? (const void *)&ruleset->guest : &ruleset->guest6,
	       size);
	memcpy(data + size, &port, sizeof(port));
	put_key(message, NFTA_SET_ELEM_KEY, element->proto, element->first);
	if (map->ranges)
		put_key(message, NFTA_SET_ELEM_KEY_END, element->proto, element->last);
	put_value(message, NFTA_SET_ELEM_DATA, data, data_size(map));
	mnl_attr_nest_end(message, nest);
}

/** encode_elements() - @n elements of @map in one message; they are all of the same size. */
static void encode_elements(struct batch *batch, const struct ruleset *ruleset,
			    const struct map *map, size_t first,
			    const struct plan_element *elements, size_t n)
{
	struct batch_object object = {
		.kind = BATCH_ELEMENTS, .name = map->name, .first = first, .ranges = map->ranges
	};
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	struct nlattr *list;

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, ruleset->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, map->name);
	mnl_attr_put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, htonl(map->id));
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	object.offset = message->nlmsg_len;
	for (size_t i = 0; i < n; i++)
		put_element(message, ruleset, map, &elements[i]);
	object.size = (message->nlmsg_len - object.offset) / (uint32_t)n;
	mnl_attr_nest_end(message, list);
	batch_add(batch, message, &object);
}

static void encode_rule(struct batch *batch, const struct ruleset *ruleset,
			const struct ruleset_rule *rule)
{
	const char *chain = ruleset->chains[rule->chain].name;
	struct batch_object object = { .kind = BATCH_RULE, .name = chain, .text = rule->rule.text };
	struct nftnl_rule *nftnl = rule->rule.rule;
	struct nlmsghdr *message;

	if (nftnl_rule_set_str(nftnl, NFTNL_RULE_TABLE, ruleset->table) < 0 ||
	    nftnl_rule_set_str(nftnl, NFTNL_RULE_CHAIN, chain) < 0)
		fail(batch);
	message = batch_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	if (message)
		nftnl_rule_nlmsg_build_payload(message, nftnl);
	batch_add(batch, message, &object);
}

void encode_ruleset(struct batch *batch, const struct ruleset *ruleset)
{
	encode_delete(batch, ruleset->table);
	table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, ruleset->table);
	for (size_t i = 0; i < ruleset->n_maps; i++)
		encode_map(batch, ruleset, &ruleset->maps[i]);
	for (size_t i = 0; i < ruleset->n_chains; i++)
		encode_chain(batch, ruleset, &ruleset->chains[i]);
	for (size_t i = 0; i < ruleset->n_maps; i++) {
		const struct plan_element *elements;
		size_t n = ruleset_elements(ruleset, &ruleset->maps[i], &elements);

		for (size_t first = 0; first < n; first += ELEMENTS_PER_MESSAGE)
			encode_elements(batch, ruleset, &ruleset->maps[i], first, elements + first,
					n - first < ELEMENTS_PER_MESSAGE ? n - first
									 : ELEMENTS_PER_MESSAGE);
	}
	for (size_t i = 0; i < ruleset->n_rules; i++)
		encode_rule(batch, ruleset, &ruleset->rules[i]);
}
