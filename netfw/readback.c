/*
 * The reading, in this order: the table itself; its sets, chains and rules, each against the
 * message by which we would make it; the elements of every set. Each is a request of its own:
 * whoever acts on the result makes sure by the ruleset's generation that it was one state.
 */
#include "netfw/readback.h"

#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/same.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Where the parts of a key stand, see encode.c. */
#define WORD 4u

#define REQUEST_MAX 256

struct reader {
	struct talk *filter;
	const struct ruleset *ruleset;
	const struct batch *wanted;
	struct readback *readback;
	const struct set *set;			   /* whose elements are read */
	size_t n_sets, n_chains, n_rules;	   /* seen so far */
	size_t rules_of_chain[RULESET_MAX_CHAINS]; /* seen so far */
};

/** begin() - A question about our table. */
static struct nlmsghdr *begin(struct reader *reader, char buffer[static REQUEST_MAX], uint16_t type,
			      uint16_t table_attr)
{
	struct nlmsghdr *message = talk_message(reader->filter, buffer,
						(uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof(*general));

	general->nfgen_family = NFPROTO_INET;
	general->version = NFNETLINK_V0;
	mnl_attr_put_strz(message, table_attr, reader->ruleset->key.table);
	return message;
}

/** text() - A name, or "". */
static const char *text(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
									 : "";
}

/** is_ours() - Not every kernel restricts a dump to one table. */
static bool is_ours(const struct reader *reader, const struct nlattr *table)
{
	return streq(text(table), reader->ruleset->key.table);
}

/**
 * wanted_object() - The @n-th object of @kind and @name that we would make, or NULL.
 */
static const struct nlmsghdr *wanted_object(const struct reader *reader, enum batch_kind kind,
					    const char *name, size_t n)
{
	for (size_t i = 0; i < reader->wanted->n_objects; i++) {
		const struct batch_object *object = &reader->wanted->objects[i];

		if (object->kind == kind && streq(object->name, name) && n-- == 0)
			return batch_message_of(reader->wanted, object);
	}
	return NULL;
}

static int on_table(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_TABLE_MAX + 1];
	struct reader *reader = context;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	/* A table that is asleep has all its rules, and none is in force. */
	if (attr_u32(attr[NFTA_TABLE_FLAGS], 0) != 0)
		reader->readback->same = false;
	return MNL_CB_OK;
}

static int on_set(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_SET_MAX + 1];
	struct reader *reader = context;
	const struct nlmsghdr *wanted;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	if (!is_ours(reader, attr[NFTA_SET_TABLE]))
		return MNL_CB_OK;
	reader->n_sets++;
	wanted = wanted_object(reader, BATCH_SET, text(attr[NFTA_SET_NAME]), 0);
	if (!wanted || !same_object(wanted, message, NFTA_SET_ID))
		reader->readback->same = false;
	return MNL_CB_OK;
}

static int on_chain(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_CHAIN_MAX + 1];
	struct reader *reader = context;
	const struct nlmsghdr *wanted;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	if (!is_ours(reader, attr[NFTA_CHAIN_TABLE]))
		return MNL_CB_OK;
	reader->n_chains++;
	wanted = wanted_object(reader, BATCH_CHAIN, text(attr[NFTA_CHAIN_NAME]), 0);
	if (!wanted || !same_object(wanted, message, NFTA_CHAIN_ID))
		reader->readback->same = false;
	return MNL_CB_OK;
}

/** on_rule() - They come in the order of their chain. */
static int on_rule(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_RULE_MAX + 1];
	const struct nlmsghdr *wanted = NULL;
	struct reader *reader = context;
	const char *chain;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	if (!is_ours(reader, attr[NFTA_RULE_TABLE]))
		return MNL_CB_OK;
	reader->n_rules++;
	chain = text(attr[NFTA_RULE_CHAIN]);
	for (size_t i = 0; i < reader->ruleset->n_chains; i++) {
		if (streq(reader->ruleset->chains[i].name, chain))
			wanted = wanted_object(reader, BATCH_RULE, chain,
					       reader->rules_of_chain[i]++);
	}
	if (!wanted || !same_rule(wanted, message))
		reader->readback->same = false;
	return MNL_CB_OK;
}

/** words() - The value nested in @attr if it has @size bytes, else NULL. */
static const uint8_t *words(const struct nlattr *attr, size_t size)
{
	const struct nlattr *value[NFTA_DATA_VALUE + 1];

	attr_index_nested(attr, value, ARRAY_SIZE(value));
	if (!value[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]) < size)
		return NULL;
	return mnl_attr_get_payload(value[NFTA_DATA_VALUE]);
}

static uint16_t port_at(const uint8_t *bytes)
{
	uint16_t network_order;

	memcpy(&network_order, bytes, sizeof(network_order));
	return ntohs(network_order);
}

/** take_map_element() - Return: 0 or -ENOMEM. */
static int take_map_element(struct reader *reader, const struct nlattr *attr[])
{
	const struct ruleset_key *wanted = &reader->ruleset->key;
	const struct set *set = reader->set;
	size_t place = (size_t)(set - reader->ruleset->sets);
	const void *guest = set->family == AF_INET ? (const void *)&wanted->guest : &wanted->guest6;
	size_t size = set->family == AF_INET ? sizeof(wanted->guest) : sizeof(wanted->guest6);
	bool ranges = set_has_ranges(set);
	const uint8_t *key = words(attr[NFTA_SET_ELEM_KEY], 2 * WORD);
	const uint8_t *end = ranges ? words(attr[NFTA_SET_ELEM_KEY_END], 2 * WORD) : key;
	const uint8_t *data = words(attr[NFTA_SET_ELEM_DATA], size + (ranges ? 0 : WORD));
	struct plan_element element;

	if (!key || !end || !data) {
		reader->readback->same = false;
		return 0;
	}
	element = (struct plan_element){ .proto = key[0],
					 .first = port_at(key + WORD),
					 .last = port_at(end + WORD) };
	if (memcmp(data, guest, size) == 0)
		element.guest = ranges ? element.first : port_at(data + size);
	return plan_push(&reader->readback->maps[place], &element);
}

/** counter_of() - The counter of an element: NULL if it has none. */
static const struct nlattr *counter_of(const struct nlattr *attr[])
{
	const struct nlattr *expr[NFTA_EXPR_DATA + 1];

	attr_index_nested(attr[NFTA_SET_ELEM_EXPR], expr, ARRAY_SIZE(expr));
	return streq(text(expr[NFTA_EXPR_NAME]), "counter") ? expr[NFTA_EXPR_DATA] : NULL;
}

static uint64_t number(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U64) == 0 ? be64toh(mnl_attr_get_u64(attr))
								  : 0;
}

/** take_count() - Return: 0 or -ENOMEM. */
static int take_count(struct reader *reader, const struct nlattr *attr[])
{
	bool ranges = set_has_ranges(reader->set);
	const uint8_t *key = words(attr[NFTA_SET_ELEM_KEY], 3 * WORD);
	const uint8_t *end = ranges ? words(attr[NFTA_SET_ELEM_KEY_END], 3 * WORD) : key;
	const struct nlattr *value[NFTA_COUNTER_MAX + 1];
	struct count_element element;

	attr_index_nested(counter_of(attr), value, ARRAY_SIZE(value));
	if (!key || !end || !value[NFTA_COUNTER_PACKETS]) {
		reader->readback->same = false;
		return 0;
	}
	element = (struct count_element){ .direction = key[0],
					  .proto = key[WORD],
					  .first = port_at(key + 2 * WORD),
					  .last = port_at(end + 2 * WORD),
					  .packets = number(value[NFTA_COUNTER_PACKETS]),
					  .bytes = number(value[NFTA_COUNTER_BYTES]) };
	return count_push(ranges ? &reader->readback->counts.ranges
				 : &reader->readback->counts.ports,
			  &element);
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_SET_ELEM_LIST_MAX + 1], *element = NULL;
	const struct nlattr *part[NFTA_SET_ELEM_MAX + 1];
	struct reader *reader = context;
	int r;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	while (attr[NFTA_SET_ELEM_LIST_ELEMENTS] &&
	       (element = attr_next_nested(attr[NFTA_SET_ELEM_LIST_ELEMENTS], element))) {
		attr_index_nested(element, part, ARRAY_SIZE(part));
		r = set_is_map(reader->set) ? take_map_element(reader, part)
					    : take_count(reader, part);
		if (r < 0) {
			errno = -r;
			return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

static int read_elements(struct reader *reader, const struct set *set)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *message =
		begin(reader, buffer, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
	reader->set = set;
	return talk_dump(reader->filter, message, on_elements, reader);
}

/** read_objects() - Sets, chains and rules; is any of them more, less or another one? */
static int read_objects(struct reader *reader)
{
	static const struct {
		uint16_t type, table_attr;
		mnl_cb_t on_object;
	} questions[] = {
		{ NFT_MSG_GETSET, NFTA_SET_TABLE, on_set },
		{ NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, on_chain },
		{ NFT_MSG_GETRULE, NFTA_RULE_TABLE, on_rule },
	};
	char buffer[REQUEST_MAX];
	struct nlmsghdr *message;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		message = begin(reader, buffer, questions[i].type, questions[i].table_attr);
		r = talk_dump(reader->filter, message, questions[i].on_object, reader);
		if (r < 0)
			return r;
	}
	if (reader->n_sets != reader->ruleset->n_sets ||
	    reader->n_chains != reader->ruleset->n_chains ||
	    reader->n_rules != reader->ruleset->n_rules)
		reader->readback->same = false;
	return 0;
}

static int read_table(struct reader *reader)
{
	char buffer[REQUEST_MAX];
	struct nlmsghdr *message = begin(reader, buffer, NFT_MSG_GETTABLE, NFTA_TABLE_NAME);

	return talk_request(reader->filter, message, on_table, reader, NULL);
}

/**
 * repeats() - Is an element of a sorted list there twice? The kernel's table grew while it was
 * read, and the reading went on in another order: for each that was told twice another one may not
 * have been told.
 */
static bool repeats(const struct plan_list *list)
{
	for (size_t i = 1; i < list->n; i++) {
		const struct plan_element *a = &list->element[i - 1], *b = &list->element[i];

		if (a->proto == b->proto && a->first == b->first)
			return true;
	}
	return false;
}

/** sort() - Into the order of the planner; a set's own order is that of a hash. */
static void sort(struct readback *readback)
{
	for (size_t i = 0; i < ARRAY_SIZE(readback->maps); i++) {
		if (readback->maps[i].n)
			qsort(readback->maps[i].element, readback->maps[i].n,
			      sizeof(struct plan_element), plan_compare);
	}
	count_sort(&readback->counts.ports);
	count_sort(&readback->counts.ranges);
}

static void reset(struct readback *readback)
{
	readback->same = true;
	for (size_t i = 0; i < ARRAY_SIZE(readback->maps); i++)
		readback->maps[i].n = 0;
	readback->counts.ports.n = readback->counts.ranges.n = 0;
}

int readback_read(struct talk *filter, const struct ruleset *ruleset, const struct batch *wanted,
		  struct readback *readback)
{
	struct reader reader = {
		.filter = filter, .ruleset = ruleset, .wanted = wanted, .readback = readback
	};
	int r;

	reset(readback);
	r = read_table(&reader);
	if (r == 0)
		r = read_objects(&reader);
	for (size_t i = 0; i < ruleset->n_sets && r == 0; i++) {
		const struct set *set = &ruleset->sets[i];

		/* Of a table that is built anew, only what was counted is of interest. */
		if (!readback->same && set_is_map(set))
			continue;
		r = read_elements(&reader, set);
		if (r == -ENOENT) {
			readback->same = false;
			r = 0;
		}
	}
	if (r == -ENOENT) {
		readback->same = false;
		r = 0;
	}
	sort(readback);
	for (size_t i = 0; i < ARRAY_SIZE(readback->maps) && r == 0; i++)
		r = repeats(&readback->maps[i]) ? -EINTR : 0;
	return r;
}

int readback_counts(struct talk *filter, const struct ruleset *ruleset, struct counts *counts)
{
	struct readback readback = { .counts = *counts };
	struct reader reader = { .filter = filter, .ruleset = ruleset, .readback = &readback };
	int r = 0;

	reset(&readback);
	for (size_t i = 0; i < ruleset->n_sets && r == 0; i++) {
		if (!set_is_map(&ruleset->sets[i]))
			r = read_elements(&reader, &ruleset->sets[i]);
	}
	sort(&readback);
	*counts = readback.counts;
	return r;
}

void readback_clear(struct readback *readback)
{
	for (size_t i = 0; i < ARRAY_SIZE(readback->maps); i++)
		free(readback->maps[i].element);
	counts_clear(&readback->counts);
	*readback = (struct readback){ 0 };
}
