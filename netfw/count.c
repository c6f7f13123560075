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
	size_t n = 0;

	if (list->n)
		qsort(list->element, list->n, sizeof(*list->element), count_compare);
	for (size_t i = 0; i < list->n; i++) {
		struct count_element *element = &list->element[i];

		if (n == 0 || count_compare(&list->element[n - 1], element) != 0)
			list->element[n++] = *element;
		else if (list->element[n - 1].packets < element->packets)
			list->element[n - 1] = *element;
	}
	list->n = n;
}

/** find() - The element of @list with the key of @like, or NULL. */
static struct count_element *find(const struct count_list *list, const struct count_element *like)
{
	if (!list->n)
		return NULL;
	return bsearch(like, list->element, list->n, sizeof(*list->element), count_compare);
}

/** learn() - One of the two lists. */
static int learn(struct count_list *known, const struct count_list *fresh)
{
	size_t n = known->n;

	for (size_t i = 0; i < fresh->n; i++) {
		/* Only the part that was sorted before is searched. */
		struct count_list old = { .element = known->element, .n = n };
		struct count_element *element = find(&old, &fresh->element[i]);

		/* A counter never goes back. What is less began anew: what was known comes first.
		 */
		if (element && fresh->element[i].packets >= element->packets)
			*element = fresh->element[i];
		else if (!element && count_push(known, &fresh->element[i]) < 0)
			return -ENOMEM;
	}
	if (known->n != n)
		count_sort(known);
	return 0;
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
	for (uint8_t direction = 0; direction < N_COUNT_DIRECTIONS; direction++) {
		for (size_t i = 0; i < spans->n; i++) {
			struct count_element element = { .direction = direction,
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

/** add() - What @list has about elements of @elements. */
static void add(const struct count_list *list, const struct plan_list *elements,
		struct netfw_count *counts, size_t n)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct count_element *element = &list->element[i];
		const struct plan_element *from =
			plan_find(elements, element->proto, element->first);

		/* A forward that was there before: the kernel still knows what it had. */
		if (!from || from->forward >= n || from->last != element->last)
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
	add(&counts->ports, &plan->ports, ret_counts, n);
	add(&counts->ranges, &plan->spans, ret_counts, n);
}

void counts_clear(struct counts *counts)
{
	free(counts->ports.element);
	free(counts->ranges.element);
	*counts = (struct counts){ 0 };
}
