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

/*
 * How often it is begun anew because others change the packet filter meanwhile. The last time it is
 * the table as a whole, whatever the state of the rest.
 */
#define TRIES 16

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
	batch_clear(&table->batch);
	ruleset_clear(&table->whole);
	readback_clear(&table->readback);
	difference_clear(&table->difference);
	free(table->ranges.element);
	free(table->wanted.element);
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
	present->same = table->readback.same;
	for (size_t i = 0; i < frame->n_sets; i++)
		present->maps[i] = &table->readback.maps[i];
	present->ranges = &table->readback.counts.ranges;
	if (r == 0)
		r = count_learn(&table->counts, &table->readback.counts);
	if (r < 0 && r != -EINTR)
		netfw_fail_system(error, r, "reading the packet filter");
	return r;
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

/** same_spans() - Are the same ranges counted? */
static bool same_spans(const struct plan_list *a, const struct plan_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = plan_compare(&a->element[i], &b->element[i]) == 0 &&
		       a->element[i].last == b->element[i].last;
	return same;
}

/** recall_present() - The same as read_present(), from memory. */
static int recall_present(struct table *table, const struct ruleset *frame, struct present *present,
			  struct netfw_error *error)
{
	struct ruleset before;

	/* What goes with a range is read before. Whoever cannot read it can still do the rest. */
	if (!same_spans(&table->plan.spans, &table->next.spans))
		read_counts(table, &table->key);
	ruleset_frame(&table->key, &table->plan, &table->counts, &before);
	present->same = true;
	for (size_t i = 0; i < frame->n_sets; i++)
		present->maps[i] = ruleset_map(&before, &frame->sets[i]);
	present->ranges = &table->ranges;
	return count_spans(&table->plan.spans, &table->counts.ranges, &table->ranges) < 0
		       ? out_of_memory(error)
		       : 0;
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
	int r = count_spans(&table->next.spans, &table->counts.ranges, &table->wanted);

	wanted->ports = table->counts.ports;
	wanted->ranges = table->wanted;
	return r;
}

/** note_gone() - What was removed, for whoever ends connections. IPv6 has the same ports. */
static void note_gone(struct table *table, const struct ruleset *frame)
{
	for (size_t i = 0; i < frame->n_sets; i++) {
		const struct plan_list *removed = &table->difference.removed[i];

		if (!set_is_map(&frame->sets[i]) || frame->sets[i].family != AF_INET)
			continue;
		for (size_t k = 0; k < removed->n; k++)
			plan_ports_add(&table->gone, &removed->element[k]);
	}
}

/** remember() - The kernel has what was wanted. */
static void remember(struct table *table, const struct ruleset_key *key, uint32_t generation)
{
	struct plan before = table->plan;

	table->plan = table->next;
	table->next = before;
	table->key = *key;
	table->generation = generation;
}

/** look() - What the kernel has: from memory while nobody has changed anything since. */
static int look(struct table *table, const struct ruleset *frame, uint32_t generation,
		struct present *present, struct netfw_error *error)
{
	if (table->generation == generation && ruleset_same_key(&table->key, &frame->key))
		return recall_present(table, frame, present, error);
	return read_present(table, frame, present, error);
}

/**
 * attempt() - One try.
 * @whole: the table as a whole, even where a difference would do, and on whatever state
 *
 * Return: 0 or -errno: -ERESTART, -EINTR and -EAGAIN ask for another one.
 */
static int attempt(struct table *table, const struct ruleset_key *key, bool whole,
		   enum netfw_change *ret_change, struct netfw_error *error)
{
	struct present present = { 0 };
	struct ruleset frame;
	struct counts wanted;
	uint32_t generation;
	int r = transact_generation(table->filter, &generation, error);

	if (r < 0)
		return r;
	ruleset_frame(key, &table->next, &table->counts, &frame);
	r = look(table, &frame, generation, &present, error);
	/* For the table as a whole it is good enough what was read in parts. */
	if (r < 0 && !(r == -EINTR && whole))
		return r;
	if (wanted_counts(table, &wanted) < 0)
		return out_of_memory(error);
	frame.counts = &wanted;
	if (difference_make(&table->difference, &frame, &present) < 0)
		return out_of_memory(error);
	whole = whole || !present.same;
	*ret_change = whole ? NETFW_REPLACED : NETFW_UPDATED;
	if (!whole && table->difference.n == 0) {
		*ret_change = NETFW_UNCHANGED;
		remember(table, key, generation);
		return 0;
	}

	batch_reset(&table->batch);
	batch_begin(&table->batch);
	if (whole)
		r = encode_whole(table, &frame);
	else
		difference_encode(&table->difference, &frame, &table->batch);
	batch_end(&table->batch);
	if (r < 0 || table->batch.error)
		return out_of_memory(error);
	note_gone(table, &frame);
	r = transact_commit(table->filter, &table->batch, generation, whole, &generation, error);
	if (r < 0)
		return r;
	if (whole)
		count_written(&table->counts.ports, &wanted.ports);
	count_written(&table->counts.ranges,
		      whole ? &wanted.ranges : &table->difference.ranges_added);
	remember(table, key, generation);
	return 0;
}

/** is_refusal() - Did the kernel not like what it was told, so that it may like it as a whole? */
static bool is_refusal(int r, enum netfw_change change)
{
	return r < 0 && change == NETFW_UPDATED && r != -EPERM && r != -EMSGSIZE && r != -ENOMEM &&
	       r != -EIO;
}

int table_apply(struct table *table, const struct netfw_network *network,
		const struct netfw_rules *rules, enum netfw_change *ret_change,
		struct netfw_error *error)
{
	struct ruleset_key key = ruleset_key(table->name, network, rules->source);
	enum netfw_change change = NETFW_UNCHANGED, most = NETFW_UNCHANGED;
	bool whole = false;
	int r = plan_make(rules, &table->next, error);

	if (r < 0)
		return r;
	for (int i = 0; i < TRIES; i++) {
		whole = whole || i == TRIES - 1;
		change = NETFW_UNCHANGED;
		r = attempt(table, &key, whole, &change, error);
		/* If it was taken after all, the next try finds nothing to do. */
		if (r == 0 || r == -EAGAIN)
			most = change > most ? change : most;
		if (r == 0 && ret_change)
			*ret_change = most;
		if (r == -ERESTART || r == -EINTR || r == -EAGAIN)
			continue;
		if (whole || !is_refusal(r, change))
			return r;
		whole = true;
	}
	table->generation = 0;
	if (r == -EAGAIN)
		return netfw_fail(
			error, NETFW_FAULT_UNKNOWN, -EIO,
			"it is not known whether the kernel took the ruleset: apply it again");
	return netfw_fail(error, NETFW_FAULT_SYSTEM, -EBUSY,
			  "other programs change the packet filter all the time; the old ruleset "
			  "is in force");
}

void table_forget_gone(struct table *table)
{
	table->gone = (struct plan_ports){ 0 };
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

int table_count(struct table *table, struct netfw_count *ret_counts, size_t n,
		struct netfw_error *error)
{
	int r = read_counts(table, &table->key);

	/* What was read last is better than nothing. */
	count_forwards(&table->counts, &table->plan, ret_counts, n);
	return r < 0 ? netfw_fail_system(error, r, "reading the counters") : 0;
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

	table->generation = 0;
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
		r = transact_commit(table->filter, &table->batch, generation, i == TRIES - 1,
				    &generation, error);
	}
	table->generation = 0;
	if (r == -ERESTART || r == -EAGAIN)
		return netfw_fail(error, NETFW_FAULT_SYSTEM, -EBUSY,
				  "other programs change the packet filter all the time");
	return r;
}
