/*
 * The planner, in this order: every forward is checked by itself; spans are sorted; neighbours that
 * overlap are a conflict; ranges that touch are joined, as the interval map's cost grows faster
 * than its size; what is left becomes elements.
 */
#include "netfw/plan.h"

#include "netfw/error.h"

#include <errno.h>

#define PORT_MAX 65535u

/* A forward on its way; the same as an element, but a shifted range is still one. */
struct span {
	uint8_t proto;
	uint16_t first, last, guest;
	size_t forward;
};

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
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
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->forward < y->forward ? -1 : x->forward > y->forward;
}

/**
 * find_conflict() - In a sorted list that has no conflict before, a conflict is always one of
 * neighbours.
 */
static int find_conflict(const struct span *spans, size_t n, struct netfw_error *error)
{
	for (size_t i = 1; i < n; i++) {
		const struct span *a = &spans[i - 1], *b = &spans[i];
		size_t later = a->forward > b->forward ? a->forward : b->forward;
		size_t earlier = a->forward > b->forward ? b->forward : a->forward;

		if (a->proto == b->proto && a->last >= b->first)
			return netfw_fail_forward(
				error, later, -EEXIST,
				"forward %zu: %s port %u is forwarded already by forward %zu",
				later + 1, proto_name(b->proto), b->first, earlier + 1);
	}
	return 0;
}

static bool keeps_ports(const struct span *span)
{
	return span->guest == span->first;
}

/**
 * join() - Make one of port-keeping neighbours that touch, if a range is among them. Return: the
 * new number of spans.
 */
static size_t join(struct span *spans, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		struct span *last = used ? &spans[used - 1] : NULL;
		bool touch = last && last->proto == spans[i].proto &&
			     last->last + 1 == spans[i].first;

		/* Two single ports stay two: a hash map's element is cheaper than an interval. */
		if (touch && keeps_ports(last) && keeps_ports(&spans[i]) &&
		    (last->first != last->last || spans[i].first != spans[i].last))
			last->last = spans[i].last;
		else
			spans[used++] = spans[i];
	}
	return used;
}

/** emit() - Turn @span into elements. */
static void emit(struct plan *plan, const struct span *span)
{
	struct plan_element element = { .proto = span->proto, .forward = span->forward };

	if (keeps_ports(span) && span->last > span->first) {
		element.first = span->first;
		element.last = span->last;
		element.guest = span->guest;
		plan->ranges[plan->n_ranges++] = element;
		return;
	}
	for (unsigned i = 0; i <= (unsigned)(span->last - span->first); i++) {
		element.first = (uint16_t)(span->first + i);
		element.last = element.first;
		element.guest = (uint16_t)(span->guest + i);
		plan->ports[plan->n_ports++] = element;
	}
}

/** emit_all() - Count, allocate, emit. Return: 0 or -ENOMEM. */
static int emit_all(const struct span *spans, size_t n, struct plan *ret_plan)
{
	size_t n_ports = 0, n_ranges = 0;
	struct plan plan = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (keeps_ports(&spans[i]) && spans[i].last > spans[i].first)
			n_ranges++;
		else
			n_ports += spans[i].last - spans[i].first + 1u;
	}
	/* One more than needed, so that none is no special case. */
	plan.ports = calloc(n_ports + 1, sizeof(*plan.ports));
	plan.ranges = calloc(n_ranges + 1, sizeof(*plan.ranges));
	if (!plan.ports || !plan.ranges) {
		plan_clear(&plan);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		emit(&plan, &spans[i]);
	*ret_plan = plan;
	return 0;
}

int plan_make(const struct netfw_forward *forwards, size_t n, struct plan *ret_plan,
	      struct netfw_error *error)
{
	autofree struct span *spans = calloc(n + 1, sizeof(*spans));
	int r;

	if (!spans)
		return netfw_fail_system(error, -ENOMEM, "planning the forwards");
	for (size_t i = 0; i < n; i++) {
		r = check(&forwards[i], i, error);
		if (r < 0)
			return r;
		spans[i] = (struct span){ .proto = forwards[i].proto,
					  .first = forwards[i].listen_first,
					  .last = forwards[i].listen_last,
					  .guest = forwards[i].guest_first,
					  .forward = i };
	}
	qsort(spans, n, sizeof(*spans), compare);
	r = find_conflict(spans, n, error);
	if (r < 0)
		return r;
	n = join(spans, n);
	r = emit_all(spans, n, ret_plan);
	if (r < 0)
		return netfw_fail_system(error, r, "planning the forwards");
	return 0;
}

void plan_clear(struct plan *plan)
{
	free(plan->ports);
	free(plan->ranges);
	*plan = (struct plan){ 0 };
}
