#include "netfw/count.h"

#include "lib/util.h"

#include <errno.h>

int count_push(struct count_list *list, const struct count_element *element)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *grown = reallocarray(list->element, room, sizeof(*list->element));

		if (!grown)
			return -ENOMEM;
		list->element = grown;
		list->room = room;
	}
	list->element[list->n++] = *element;
	return 0;
}

int count_compare(const void *a, const void *b)
{
	const struct count_element *x = a, *y = b;

	if (x->direction != y->direction)
		return x->direction < y->direction ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->last < y->last ? -1 : x->last > y->last;
}

void count_sort(struct count_list *list)
{
	size_t used = 0;

	if (list->n)
		qsort(list->element, list->n, sizeof(*list->element), count_compare);
	for (size_t i = 0; i < list->n; i++) {
		struct count_element *last = used ? &list->element[used - 1] : NULL;

		if (!last || count_compare(last, &list->element[i]) != 0)
			list->element[used++] = list->element[i];
		else if (last->packets < list->element[i].packets)
			*last = list->element[i];
	}
	list->n = used;
}

/** find() - The element of @list with the key of @like, or NULL. */
static struct count_element *find(const struct count_list *list, const struct count_element *like)
{
	if (!list->n)
		return NULL;
	return bsearch(like, list->element, list->n, sizeof(*list->element), count_compare);
}

/** learn_one() - What the kernel has now is @fresh. */
static void learn_one(struct count_element *known, const struct count_element *fresh)
{
	bool anew = fresh->packets < known->seen_packets;

	known->packets += fresh->packets - (anew ? 0 : known->seen_packets);
	known->bytes += fresh->bytes - (anew ? 0 : known->seen_bytes);
	known->seen_packets = fresh->packets;
	known->seen_bytes = fresh->bytes;
}

/** learn() - One of the two lists. */
static int learn(struct count_list *known, const struct count_list *fresh)
{
	size_t n = known->n;

	for (size_t i = 0; i < fresh->n; i++) {
		struct count_element element = fresh->element[i];
		/* Only the part that was sorted before is searched. */
		struct count_list old = { .element = known->element, .n = n };
		struct count_element *before = find(&old, &element);

		element.seen_packets = element.packets;
		element.seen_bytes = element.bytes;
		if (before)
			learn_one(before, &element);
		else if (count_push(known, &element) < 0)
			return -ENOMEM;
	}
	if (known->n != n)
		count_sort(known);
	return 0;
}

void count_written(struct count_list *known, const struct count_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct count_element *element = find(known, &list->element[i]);

		if (!element)
			continue;
		element->seen_packets = list->element[i].packets;
		element->seen_bytes = list->element[i].bytes;
	}
}

int count_learn(struct counts *known, const struct counts *fresh)
{
	int r = learn(&known->ports, &fresh->ports);

	return r < 0 ? r : learn(&known->ranges, &fresh->ranges);
}

int count_spans(const struct plan_list *spans, const struct count_list *known,
		struct count_list *list)
{
	list->n = 0;
	for (unsigned direction = 0; direction < N_COUNT_DIRECTIONS; direction++) {
		for (size_t i = 0; i < spans->n; i++) {
			struct count_element element = { .direction = (uint8_t)direction,
							 .proto = spans->element[i].proto,
							 .first = spans->element[i].first,
							 .last = spans->element[i].last };
			const struct count_element *before = find(known, &element);

			if (before)
				element = *before;
			if (count_push(list, &element) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/**
 * owner() - The forward that has the first port of @element now; NULL: none.
 *
 * A range may have been larger before, or ports that are in a range now have been counted one by
 * one: what was counted then still belongs to the forward.
 */
static const struct plan_element *owner(const struct plan *plan,
					const struct count_element *element)
{
	const struct plan_element *port = plan_find(&plan->ports, element->proto, element->first);

	return port ? port : plan_find(&plan->spans, element->proto, element->first);
}

/** add() - What @list has about forwards. */
static void add(const struct count_list *list, const struct plan *plan, struct netfw_count *counts,
		size_t n)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct count_element *element = &list->element[i];
		const struct plan_element *from = owner(plan, element);

		/* A forward that was there before: the kernel still knows what it had. */
		if (!from || from->forward >= n)
			continue;
		if (element->direction == COUNT_ORIGINAL) {
			counts[from->forward].packets_in += element->packets;
			counts[from->forward].bytes_in += element->bytes;
		} else {
			counts[from->forward].packets_out += element->packets;
			counts[from->forward].bytes_out += element->bytes;
		}
	}
}

void count_forwards(const struct counts *counts, const struct plan *plan,
		    struct netfw_count *ret_counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret_counts[i] = (struct netfw_count){ 0 };
	add(&counts->ports, plan, ret_counts, n);
	add(&counts->ranges, plan, ret_counts, n);
}

void counts_clear(struct counts *counts)
{
	free(counts->ports.element);
	free(counts->ranges.element);
	*counts = (struct counts){ 0 };
}
