/*
 * Counters of what went through the forwards. Pure.
 *
 * The kernel counts by direction, protocol and the port that the client asked for: a single port in
 * a set that the packets themselves fill, so that ten thousand forwards without traffic cost
 * nothing; a range as an element of an interval set.
 */
#pragma once

#include "netfw/plan.h"

/* As the kernel numbers them (enum ip_conntrack_dir): from the client, and back. */
enum count_direction { COUNT_ORIGINAL, COUNT_REPLY, N_COUNT_DIRECTIONS };

struct count_element {
	uint8_t direction;
	uint8_t proto;
	uint16_t first, last; /* the same for a single port */
	uint64_t packets, bytes;
};

/* Elements in the order of direction, protocol and port; the memory is used again. */
struct count_list {
	struct count_element *element;
	size_t n, room;
};

/* The two sets. */
struct counts {
	struct count_list ports;
	struct count_list ranges;
};

/** count_push() - Append to @list. Return: 0 or -ENOMEM. */
int count_push(struct count_list *list, const struct count_element *element);

/**
 * count_sort() - Bring @list into order. Of an element that is there twice, because the kernel's
 * table grew while it was read, the one that has counted more stays.
 */
void count_sort(struct count_list *list);

/** count_compare() - The order of a list; the values do not count. */
int count_compare(const void *a, const void *b);

/** count_learn() - Take from @fresh whatever @known has not, or has less of; both are sorted.
 * Return: 0 or -ENOMEM. */
int count_learn(struct counts *known, const struct counts *fresh);

/**
 * count_spans() - The elements that the interval set must have: each of @spans in both directions,
 * with what is @known of it.
 * @list: emptied first
 *
 * Return: 0 or -ENOMEM.
 */
int count_spans(const struct plan_list *spans, const struct count_list *known,
		struct count_list *list);

/** count_forwards() - Sum up @counts for each of @n forwards. */
void count_forwards(const struct counts *counts, const struct plan *plan,
		    struct netfw_count *ret_counts, size_t n);

void counts_clear(struct counts *counts);
