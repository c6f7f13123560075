/*
 * The planner, in this order: every forward is checked by itself; forwards and kept ports are
 * sorted; what overlaps is a conflict; what is left over goes to the forwards that want the rest;
 * ranges beyond the limit and shifted ones are expanded; ranges that touch are joined.
 */
#include "netfw/plan.h"

#include "netfw/error.h"

#include <errno.h>

#define PORT_MAX 65535u

/* An element on its way that is no forward: the ports stay with the container. */
#define KEPT UINT32_MAX

const char *plan_proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

int plan_grow(struct plan_list *list)
{
	size_t room = list->room ? 2 * list->room : 64;
	void *grown = reallocarray(list->element, room, sizeof(*list->element));

	if (!grown)
		return -ENOMEM;
	list->element = grown;
	list->room = room;
	return 0;
}

int plan_compare(const void *a, const void *b)
{
	const struct plan_element *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	/* Only before conflicts were found can two begin at one port. */
	return x->forward < y->forward ? -1 : x->forward > y->forward;
}

/** sort() - Configurations come sorted; then this is one pass. */
static void sort(struct plan_list *list)
{
	for (size_t i = 1; i < list->n; i++) {
		if (plan_compare(&list->element[i - 1], &list->element[i]) > 0) {
			qsort(list->element, list->n, sizeof(*list->element), plan_compare);
			return;
		}
	}
}

const struct plan_element *plan_find(const struct plan_list *list, uint8_t proto, uint16_t port)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct plan_element *element = &list->element[middle];

		if (element->proto < proto || (element->proto == proto && element->last < port))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == list->n || list->element[low].proto != proto || list->element[low].first > port)
		return NULL;
	return &list->element[low];
}

void plan_ports_add(struct plan_ports *ports, const struct plan_element *element)
{
	uint8_t *bits = element->proto == IPPROTO_TCP ? ports->tcp : ports->udp;

	for (unsigned port = element->first; port <= element->last; port++)
		bits[port / 8] = (uint8_t)(bits[port / 8] | 1u << port % 8);
}

bool plan_ports_has(const struct plan_ports *ports, uint8_t proto, uint16_t port)
{
	const uint8_t *bits = proto == IPPROTO_TCP ? ports->tcp : ports->udp;

	return bits[port / 8] >> port % 8 & 1;
}

/** check() - Is @forward possible by itself? Return: 0 or -EINVAL. */
static int check(const struct netfw_forward *forward, size_t index, struct netfw_error *error)
{
	if (forward->proto != IPPROTO_TCP && forward->proto != IPPROTO_UDP)
		return netfw_fail_forward(error, index, -EINVAL,
					  "forward %zu: protocol %u is neither tcp nor udp",
					  index + 1, forward->proto);
	if (!forward->listen_first || !forward->guest_first)
		return netfw_fail_forward(error, index, -EINVAL,
					  "forward %zu: port 0 cannot be forwarded", index + 1);
	if (forward->listen_last < forward->listen_first)
		return netfw_fail_forward(error, index, -EINVAL,
					  "forward %zu: the range %u-%u ends before it begins",
					  index + 1, forward->listen_first, forward->listen_last);
	if (forward->guest_first + (forward->listen_last - forward->listen_first) > (int)PORT_MAX)
		return netfw_fail_forward(
			error, index, -EINVAL,
			"forward %zu: the guest's range from %u would end behind port %u",
			index + 1, forward->guest_first, PORT_MAX);
	if (forward->rest && forward->guest_first != forward->listen_first)
		return netfw_fail_forward(
			error, index, -EINVAL,
			"forward %zu: the rest of the ports cannot lead to other ports", index + 1);
	return 0;
}

/** collect() - All forwards that name their ports, and what is kept, into the work list, sorted. */
static int collect(const struct netfw_rules *rules, struct plan *plan, struct netfw_error *error)
{
	struct plan_element element;
	int r;

	for (size_t i = 0; i < rules->n_forwards; i++) {
		const struct netfw_forward *forward = &rules->forwards[i];

		r = check(forward, i, error);
		if (r < 0)
			return r;
		if (forward->rest)
			continue;
		element = (struct plan_element){ .proto = forward->proto,
						 .first = forward->listen_first,
						 .last = forward->listen_last,
						 .guest = forward->guest_first,
						 .forward = (uint32_t)i };
		if (plan_push(&plan->work, &element) < 0)
			return netfw_fail_system(error, -ENOMEM, "planning the forwards");
	}
	for (size_t i = 0; i < rules->n_kept; i++) {
		element = (struct plan_element){ .proto = rules->kept[i].proto,
						 .first = rules->kept[i].first,
						 .last = rules->kept[i].last,
						 .forward = KEPT };
		if (plan_push(&plan->work, &element) < 0)
			return netfw_fail_system(error, -ENOMEM, "planning the forwards");
	}
	sort(&plan->work);
	return 0;
}

/** conflict() - Two elements want one port. */
static int conflict(const struct plan_element *a, const struct plan_element *b,
		    struct netfw_error *error)
{
	uint32_t later = a->forward > b->forward ? a->forward : b->forward;
	uint32_t earlier = a->forward > b->forward ? b->forward : a->forward;
	uint16_t port = a->first > b->first ? a->first : b->first;

	if (later == KEPT)
		return netfw_fail_forward(
			error, earlier, -EEXIST,
			"forward %u: %s port %u is one of those that stay with the container",
			earlier + 1, plan_proto_name(a->proto), port);
	return netfw_fail_forward(error, later, -EEXIST,
				  "forward %u: %s port %u is forwarded already by forward %u",
				  later + 1, plan_proto_name(a->proto), port, earlier + 1);
}

/** find_conflicts() - Each element of the sorted list against the one before that reaches furthest.
 */
static int find_conflicts(const struct plan_list *list, struct netfw_error *error)
{
	const struct plan_element *furthest = NULL;

	for (size_t i = 0; i < list->n; i++) {
		const struct plan_element *element = &list->element[i];

		/* That a port is kept twice does no harm. */
		if (furthest && furthest->proto == element->proto &&
		    furthest->last >= element->first &&
		    (furthest->forward != KEPT || element->forward != KEPT))
			return conflict(furthest, element, error);
		if (!furthest || furthest->proto != element->proto ||
		    furthest->last < element->last)
			furthest = element;
	}
	return 0;
}

/** add_gaps() - What @forward wants of the rest: the gaps between the first @n elements of the work
 * list. */
static int add_gaps(struct plan_list *work, size_t n, const struct netfw_forward *forward,
		    uint32_t index)
{
	struct plan_element gap = { .proto = forward->proto, .forward = index };
	unsigned next = forward->listen_first;
	int r = 0;

	for (size_t i = 0; i < n && r == 0 && next <= forward->listen_last; i++) {
		/* By value: the list grows meanwhile. */
		struct plan_element taken = work->element[i];

		if (taken.proto != forward->proto || taken.last < next)
			continue;
		if (taken.first > next) {
			gap.first = gap.guest = (uint16_t)next;
			gap.last = taken.first > forward->listen_last ? forward->listen_last
								      : (uint16_t)(taken.first - 1);
			r = plan_push(work, &gap);
		}
		next = taken.last + 1u;
	}
	if (r == 0 && next <= forward->listen_last) {
		gap.first = gap.guest = (uint16_t)next;
		gap.last = forward->listen_last;
		r = plan_push(work, &gap);
	}
	return r;
}

/** share_rest() - The forwards that want what is left over; two of them may not want the same. */
static int share_rest(const struct netfw_rules *rules, struct plan *plan, struct netfw_error *error)
{
	size_t n = plan->work.n, n_rest = 0;

	for (size_t i = 0; i < rules->n_forwards; i++) {
		if (!rules->forwards[i].rest)
			continue;
		n_rest++;
		if (add_gaps(&plan->work, n, &rules->forwards[i], (uint32_t)i) < 0)
			return netfw_fail_system(error, -ENOMEM, "planning the forwards");
	}
	if (!n_rest)
		return 0;
	sort(&plan->work);
	return n_rest > 1 ? find_conflicts(&plan->work, error) : 0;
}

static bool is_range(const struct plan_element *element)
{
	return element->forward != KEPT && element->guest == element->first &&
	       element->last > element->first;
}

static int compare_lengths(const void *a, const void *b)
{
	const uint16_t *x = a, *y = b;

	return *x > *y ? -1 : *x < *y;
}

/**
 * shortest_range() - How long a range must be to stay one, and how many of just that length may.
 *
 * Return: 0 or -ENOMEM.
 */
static int shortest_range(const struct plan_list *work, uint16_t *ret_length, size_t *ret_n)
{
	autofree uint16_t *lengths = NULL;
	size_t n = 0;

	*ret_length = 0;
	*ret_n = 0;
	for (size_t i = 0; i < work->n; i++)
		n += is_range(&work->element[i]);
	if (n <= PLAN_MAX_RANGES)
		return 0;
	lengths = calloc(n, sizeof(*lengths));
	if (!lengths)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < work->n; i++) {
		const struct plan_element *element = &work->element[i];

		if (is_range(element))
			lengths[n++] = (uint16_t)(element->last - element->first);
	}
	qsort(lengths, n, sizeof(*lengths), compare_lengths);
	*ret_length = lengths[PLAN_MAX_RANGES - 1];
	for (size_t i = PLAN_MAX_RANGES; i-- > 0 && lengths[i] == *ret_length;)
		++*ret_n;
	return 0;
}

/** emit_range() - As one element; in the list for the kernel, joined with the one before if they
 * touch. */
static int emit_range(struct plan *plan, const struct plan_element *range)
{
	struct plan_list *ranges = &plan->ranges;
	struct plan_element *last = ranges->n ? &ranges->element[ranges->n - 1] : NULL;
	int r = plan_push(&plan->spans, range);

	if (r < 0)
		return r;
	if (last && last->proto == range->proto && last->last + 1 == range->first) {
		last->last = range->last;
		return 0;
	}
	return plan_push(ranges, range);
}

/** emit_ports() - As one element for each port. */
static int emit_ports(struct plan *plan, const struct plan_element *span)
{
	struct plan_element port = *span;
	int r = 0;

	for (unsigned i = 0; i <= (unsigned)(span->last - span->first) && r == 0; i++) {
		port.first = port.last = (uint16_t)(span->first + i);
		port.guest = (uint16_t)(span->guest + i);
		r = plan_push(&plan->ports, &port);
	}
	return r;
}

static int emit(struct plan *plan)
{
	uint16_t shortest;
	size_t n_shortest;
	int r = shortest_range(&plan->work, &shortest, &n_shortest);

	for (size_t i = 0; i < plan->work.n && r == 0; i++) {
		const struct plan_element *element = &plan->work.element[i];
		unsigned length = (unsigned)(element->last - element->first);
		bool stays = is_range(element) && length >= shortest;

		if (element->forward == KEPT)
			continue;
		if (stays && shortest && length == shortest)
			stays = n_shortest && n_shortest--;
		r = stays ? emit_range(plan, element) : emit_ports(plan, element);
	}
	return r;
}

/** reset() - Forget the elements, keep the memory. */
static void reset(struct plan *plan)
{
	plan->ports.n = plan->ranges.n = plan->spans.n = plan->work.n = 0;
}

int plan_make(const struct netfw_rules *rules, struct plan *plan, struct netfw_error *error)
{
	int r;

	reset(plan);
	r = collect(rules, plan, error);
	if (r == 0)
		r = find_conflicts(&plan->work, error);
	if (r == 0)
		r = share_rest(rules, plan, error);
	if (r == 0) {
		r = emit(plan);
		if (r < 0)
			netfw_fail_system(error, r, "planning the forwards");
	}
	if (r < 0)
		reset(plan);
	return r;
}

void plan_clear(struct plan *plan)
{
	free(plan->ports.element);
	free(plan->ranges.element);
	free(plan->spans.element);
	free(plan->work.element);
	*plan = (struct plan){ 0 };
}
