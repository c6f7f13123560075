/*
 * Applying, in this order: plan; ask the kernel for its state, unless it is still the one that we
 * made; compare; send the difference, or the whole table if more than elements differ; begin anew
 * if somebody else was faster.
 */
#include "netfw/table.h"

#include "lib/util.h"
#include "netfw/error.h"
#include "netfw/print.h"
#include "netfw/transact.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

/* How often it is begun anew because others change the packet filter meanwhile. */
#define TRIES 16

/* What the kernel has, by the sets of a ruleset. */
struct present {
	bool same;
	const struct plan_list *maps[RULESET_MAX_SETS];
	const struct count_list *ranges;
};

int table_init(struct table *table, struct talk *filter, const char *name)
{
	*table = (struct table){ .filter = filter };
	snprintf(table->name, sizeof(table->name), "%s", name);
	batch_init(&table->batch, &filter->sequence);
	return table->batch.error;
}

void table_clear(struct table *table)
{
	plan_clear(&table->plan);
	plan_clear(&table->next);
	counts_clear(&table->counts);
	counts_clear(&table->fresh);
	batch_clear(&table->batch);
	ruleset_clear(&table->whole);
	readback_clear(&table->readback);
	for (size_t i = 0; i < RULESET_MAX_SETS; i++) {
		free(table->added[i].element);
		free(table->removed[i].element);
	}
	free(table->ranges.element);
	free(table->ranges_added.element);
	free(table->ranges_removed.element);
	*table = (struct table){ 0 };
}

static int out_of_memory(struct netfw_error *error)
{
	return netfw_fail_system(error, -ENOMEM, "building the ruleset");
}

/** read_present() - Ask the kernel, and learn what it has counted. */
static int read_present(struct table *table, const struct ruleset *frame, struct present *present,
			struct netfw_error *error)
{
	struct ruleset ruleset = *frame;
	int r = ruleset_add_rules(&ruleset);

	batch_reset(&table->batch);
	if (r == 0) {
		encode_ruleset(&table->batch, &ruleset);
		r = table->batch.error;
	}
	if (r == 0)
		r = readback_read(table->filter, &ruleset, &table->batch, &table->readback);
	ruleset_clear(&ruleset);
	if (r == 0)
		r = count_learn(&table->counts, &table->readback.counts);
	if (r == -EINTR)
		return r;
	if (r < 0)
		return netfw_fail_system(error, r, "reading the packet filter");
	present->same = table->readback.same;
	for (size_t i = 0; i < frame->n_sets; i++)
		present->maps[i] = &table->readback.maps[i];
	present->ranges = &table->readback.counts.ranges;
	return 0;
}

/** recall_present() - The same from memory. */
static int recall_present(struct table *table, const struct ruleset *frame, struct present *present,
			  struct netfw_error *error)
{
	struct ruleset before;

	ruleset_frame(&table->key, &table->plan, &table->counts, &before);
	present->same = true;
	for (size_t i = 0; i < frame->n_sets; i++)
		present->maps[i] = ruleset_map(&before, &frame->sets[i]);
	present->ranges = &table->ranges;
	return count_spans(&table->plan.spans, &table->counts.ranges, &table->ranges) < 0
		       ? out_of_memory(error)
		       : 0;
}

/** compare_keys() - As plan_compare(), but where an element comes from does not count. */
static int compare_keys(const struct plan_element *a, const struct plan_element *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/** differ() - What has to be removed from @present and added to it, so that it becomes @wanted. */
static int differ(const struct plan_list *present, const struct plan_list *wanted,
		  struct plan_list *removed, struct plan_list *added)
{
	size_t i = 0, k = 0;
	int r = 0;

	removed->n = added->n = 0;
	while ((i < present->n || k < wanted->n) && r == 0) {
		const struct plan_element *old = &present->element[i], *new = &wanted->element[k];
		int order = i == present->n ? 1 : k == wanted->n ? -1 : compare_keys(old, new);
		bool same = order == 0 && old->last == new->last && old->guest == new->guest;

		if (order <= 0 && !same)
			r = plan_push(removed, old);
		if (order >= 0 && !same && r == 0)
			r = plan_push(added, new);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/** differ_counts() - The same for counters; their values do not count. */
static int differ_counts(const struct count_list *present, const struct count_list *wanted,
			 struct count_list *removed, struct count_list *added)
{
	size_t i = 0, k = 0;
	int r = 0;

	removed->n = added->n = 0;
	while ((i < present->n || k < wanted->n) && r == 0) {
		int order = i == present->n ? 1
			    : k == wanted->n
				    ? -1
				    : count_compare(&present->element[i], &wanted->element[k]);

		if (order < 0)
			r = count_push(removed, &present->element[i]);
		else if (order > 0)
			r = count_push(added, &wanted->element[k]);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/**
 * encode_difference() - Removals first: what is added may take their place.
 * @ret_n: number of elements
 */
static int encode_difference(struct table *table, const struct ruleset *frame,
			     const struct present *present, size_t *ret_n)
{
	const struct set *set;
	int r;

	*ret_n = 0;
	for (size_t i = 0; i < frame->n_sets; i++) {
		set = &frame->sets[i];
		if (!set_is_map(set))
			continue;
		r = differ(present->maps[i], ruleset_map(frame, set), &table->removed[i],
			   &table->added[i]);
		if (r < 0)
			return r;
		encode_elements(&table->batch, frame, set, NFT_MSG_DELSETELEM,
				table->removed[i].element, table->removed[i].n);
		*ret_n += table->removed[i].n + table->added[i].n;
	}
	r = differ_counts(present->ranges, &frame->counts->ranges, &table->ranges_removed,
			  &table->ranges_added);
	if (r < 0)
		return r;
	*ret_n += table->ranges_removed.n + table->ranges_added.n;
	for (size_t i = 0; i < frame->n_sets; i++) {
		set = &frame->sets[i];
		if (set_is_map(set)) {
			encode_elements(&table->batch, frame, set, NFT_MSG_NEWSETELEM,
					table->added[i].element, table->added[i].n);
		} else if (set_has_ranges(set)) {
			encode_counts(&table->batch, frame, set, NFT_MSG_DELSETELEM,
				      table->ranges_removed.element, table->ranges_removed.n);
			encode_counts(&table->batch, frame, set, NFT_MSG_NEWSETELEM,
				      table->ranges_added.element, table->ranges_added.n);
		}
	}
	return 0;
}

/** encode_whole() - The table as a whole, with what is known of its counters. */
static int encode_whole(struct table *table, const struct ruleset *frame)
{
	int r;

	ruleset_clear(&table->whole);
	table->whole = *frame;
	r = ruleset_add_rules(&table->whole);
	if (r == 0)
		encode_ruleset(&table->batch, &table->whole);
	return r;
}

/** wanted_counts() - The counters that the table shall have: of ports those that are known. */
static int wanted_counts(struct table *table, struct counts *wanted)
{
	int r = count_spans(&table->next.spans, &table->counts.ranges, &table->fresh.ranges);

	wanted->ports = table->counts.ports;
	wanted->ranges = table->fresh.ranges;
	return r;
}

/** remember() - The kernel has what was wanted. */
static void remember(struct table *table, const struct ruleset_key *key, uint32_t generation)
{
	struct plan before = table->plan;

	table->plan = table->next;
	table->next = before;
	table->key = *key;
	table->known = generation != 0;
	table->generation = generation;
}

/** attempt() - One try. Return: 0 or -errno: -ERESTART, -EINTR and -EAGAIN ask for another one. */
static int attempt(struct table *table, const struct ruleset_key *key,
		   enum netfw_change *ret_change, struct netfw_error *error)
{
	struct present present = { 0 };
	struct ruleset frame;
	struct counts wanted;
	uint32_t generation;
	size_t n = 0;
	int r = transact_generation(table->filter, &generation, error);

	if (r < 0)
		return r;
	ruleset_frame(key, &table->next, &table->counts, &frame);
	if (table->known && table->generation == generation && ruleset_same_key(&table->key, key))
		r = recall_present(table, &frame, &present, error);
	else
		r = read_present(table, &frame, &present, error);
	if (r < 0)
		return r;
	if (wanted_counts(table, &wanted) < 0)
		return out_of_memory(error);
	frame.counts = &wanted;

	batch_reset(&table->batch);
	batch_begin(&table->batch);
	r = present.same ? encode_difference(table, &frame, &present, &n)
			 : encode_whole(table, &frame);
	batch_end(&table->batch);
	if (r < 0 || table->batch.error)
		return out_of_memory(error);
	*ret_change = !present.same ? NETFW_REPLACED : n ? NETFW_UPDATED : NETFW_UNCHANGED;
	if (*ret_change != NETFW_UNCHANGED) {
		r = transact_commit(table->filter, &table->batch, generation, &generation, error);
		if (r < 0)
			return r;
	}
	remember(table, key, generation);
	return 0;
}

int table_apply(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, enum netfw_change *ret_change,
		struct netfw_error *error)
{
	struct ruleset_key key = ruleset_key(table->name, network, rules->source);
	enum netfw_change change = NETFW_UNCHANGED, most = NETFW_UNCHANGED;
	int r = plan_make(rules, &table->next, error);

	if (r < 0)
		return r;
	for (int i = 0; i < TRIES; i++) {
		r = attempt(table, &key, &change, error);
		/* If it was taken after all, the next try finds nothing to do. */
		if (r == 0 || r == -EAGAIN)
			most = change > most ? change : most;
		if (r == 0 && ret_change)
			*ret_change = most;
		if (r != -ERESTART && r != -EINTR && r != -EAGAIN)
			return r;
	}
	table->known = false;
	if (r == -EAGAIN)
		return netfw_fail(
			error, NETFW_FAULT_UNKNOWN, -EIO,
			"it is not known whether the kernel took the ruleset: apply it again");
	return netfw_fail(error, NETFW_FAULT_SYSTEM, -EBUSY,
			  "other programs change the packet filter all the time; the old ruleset "
			  "is in force");
}

int table_check(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, struct netfw_error *error)
{
	struct ruleset_key key = ruleset_key(table->name, network, rules->source);
	struct counts wanted;
	struct ruleset frame;
	int r = plan_make(rules, &table->next, error);

	if (r < 0)
		return r;
	if (wanted_counts(table, &wanted) < 0)
		return out_of_memory(error);
	ruleset_frame(&key, &table->next, &wanted, &frame);
	batch_reset(&table->batch);
	batch_begin(&table->batch);
	if (encode_whole(table, &frame) < 0 || table->batch.error)
		return out_of_memory(error);
	return transact_rehearse(table->filter, &table->batch, error);
}

/** read_counts() - Bring table->counts up to date. Return: 0 or -errno. */
static int read_counts(struct table *table, const struct ruleset_key *key)
{
	struct ruleset frame;
	int r = -EINTR;

	ruleset_frame(key, &table->plan, &table->counts, &frame);
	for (int i = 0; i < TRIES && r == -EINTR; i++)
		r = readback_counts(table->filter, &frame, &table->readback.counts);
	return r < 0 ? r : count_learn(&table->counts, &table->readback.counts);
}

int table_count(struct table *table, const struct netfw_rules *rules,
		struct netfw_count *ret_counts, struct netfw_error *error)
{
	int r = plan_make(rules, &table->next, error);

	if (r < 0)
		return r;
	r = read_counts(table, &table->key);
	if (r < 0)
		return netfw_fail_system(error, r, "reading the counters");
	count_forwards(&table->counts, &table->next, ret_counts, rules->n_forwards);
	return 0;
}

int table_print(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, FILE *out, struct netfw_error *error)
{
	struct ruleset_key key = ruleset_key(table->name, network, rules->source);
	struct ruleset ruleset;
	struct counts wanted;
	int r = plan_make(rules, &table->next, error);

	if (r < 0)
		return r;
	/* There may be no table yet, and whoever only looks may not be allowed to ask. */
	read_counts(table, &key);
	if (wanted_counts(table, &wanted) < 0)
		return out_of_memory(error);
	ruleset_frame(&key, &table->next, &wanted, &ruleset);
	r = ruleset_add_rules(&ruleset);
	if (r < 0)
		netfw_fail_system(error, r, "building the ruleset");
	else
		print_ruleset(&ruleset, out);
	ruleset_clear(&ruleset);
	return r;
}

int table_delete(struct table *table, struct netfw_error *error)
{
	uint32_t generation;
	int r = -ERESTART;

	table->known = false;
	for (int i = 0; i < TRIES && (r == -ERESTART || r == -EAGAIN); i++) {
		r = transact_generation(table->filter, &generation, error);
		if (r < 0)
			return r;
		batch_reset(&table->batch);
		batch_begin(&table->batch);
		encode_delete(&table->batch, table->name);
		batch_end(&table->batch);
		if (table->batch.error)
			return out_of_memory(error);
		r = transact_commit(table->filter, &table->batch, generation, &generation, error);
	}
	if (r == -ERESTART || r == -EAGAIN)
		return netfw_fail(error, NETFW_FAULT_SYSTEM, -EBUSY,
				  "other programs change the packet filter all the time");
	return r;
}
