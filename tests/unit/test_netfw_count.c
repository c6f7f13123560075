/* Counters: which forward an element belongs to, and that none ever goes back. */
#include "lib/util.h"
#include "netfw/count.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define IN COUNT_ORIGINAL
#define OUT COUNT_REPLY

static const struct netfw_forward forwards[] = {
	{ TCP, 10, 19, 10, false },    { TCP, 20, 29, 20, false }, { TCP, 3389, 3389, 3389, false },
	{ UDP, 100, 102, 200, false }, { UDP, 1, 65535, 1, true },
};
static const struct netfw_rules rules = { .forwards = forwards,
					  .n_forwards = ARRAY_SIZE(forwards) };

static void push(struct count_list *list, uint8_t direction, uint8_t proto, uint16_t first,
		 uint16_t last, uint64_t packets)
{
	const struct count_element element = { .direction = direction,
					       .proto = proto,
					       .first = first,
					       .last = last,
					       .packets = packets,
					       .bytes = 100 * packets };

	assert_int_equal(count_push(list, &element), 0);
}

static void test_forwards(void **state)
{
	struct netfw_count sums[ARRAY_SIZE(forwards)];
	struct counts counts = { 0 };
	struct plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_make(&rules, &plan, NULL), 0);
	push(&counts.ranges, IN, TCP, 10, 19, 1);
	push(&counts.ranges, OUT, TCP, 20, 29, 2);
	push(&counts.ports, IN, TCP, 3389, 3389, 3);
	push(&counts.ports, OUT, TCP, 3389, 3389, 4);
	/* Each port of a shifted range is counted by itself. */
	push(&counts.ports, IN, UDP, 100, 100, 5);
	push(&counts.ports, IN, UDP, 102, 102, 6);
	/* The rest of the ports is in two pieces. */
	push(&counts.ranges, IN, UDP, 1, 99, 7);
	push(&counts.ranges, IN, UDP, 103, 65535, 8);
	/* Forwards that are gone. */
	push(&counts.ports, IN, TCP, 5900, 5900, 9);
	push(&counts.ranges, IN, TCP, 6000, 6010, 9);
	/* A range that was longer before, and a port that has become part of one. */
	push(&counts.ranges, OUT, TCP, 20, 39, 20);
	push(&counts.ports, OUT, TCP, 25, 25, 200);
	push(&counts.ports, IN, UDP, 3389, 3389, 0);
	count_forwards(&counts, &plan, sums, ARRAY_SIZE(sums));
	assert_int_equal(sums[0].packets_in, 1);
	assert_int_equal(sums[0].bytes_in, 100);
	assert_int_equal(sums[0].packets_out, 0);
	assert_int_equal(sums[1].packets_out, 222);
	assert_int_equal(sums[2].packets_in, 3);
	assert_int_equal(sums[2].bytes_out, 400);
	assert_int_equal(sums[3].packets_in, 11);
	assert_int_equal(sums[4].packets_in, 15);
	assert_int_equal(sums[4].bytes_in, 1500);
	counts_clear(&counts);
	plan_clear(&plan);
}

/** find() - Packets of one element, or -1. */
static int64_t find(const struct count_list *list, uint8_t direction, uint16_t first)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->element[i].direction == direction && list->element[i].first == first)
			return (int64_t)list->element[i].packets;
	}
	return -1;
}

/** sees() - The kernel has @packets of one port now; how many there were in all. */
static int64_t sees(struct counts *known, uint16_t port, uint64_t packets)
{
	struct counts fresh = { 0 };

	push(&fresh.ports, IN, TCP, port, port, packets);
	assert_int_equal(count_learn(known, &fresh), 0);
	counts_clear(&fresh);
	return find(&known->ports, IN, port);
}

/** test_learn() - A counter never goes back, and never stands still. */
static void test_learn(void **state)
{
	struct counts known = { 0 };

	(void)state;
	assert_int_equal(sees(&known, 80, 5), 5);
	assert_int_equal(sees(&known, 22, 1), 1);
	assert_int_equal(sees(&known, 80, 9), 9);
	assert_int_equal(sees(&known, 80, 9), 9);
	/* Somebody emptied it. */
	assert_int_equal(sees(&known, 80, 3), 12);
	assert_int_equal(sees(&known, 80, 4), 13);
	assert_int_equal(known.ports.element[1].bytes, 1300);
	/* We built a new table with it: the kernel counts on from there. */
	count_written(&known.ports, &known.ports);
	assert_int_equal(sees(&known, 80, 15), 15);
	assert_int_equal(sees(&known, 22, 1), 1);
	assert_int_equal(known.ports.n, 2);
	counts_clear(&known);
}

/** test_torn() - A reading that packets interfere with gives an element twice. */
static void test_torn(void **state)
{
	struct counts known = { 0 }, fresh = { 0 };

	(void)state;
	push(&fresh.ports, IN, TCP, 80, 80, 5);
	push(&fresh.ports, IN, TCP, 22, 22, 1);
	push(&fresh.ports, IN, TCP, 80, 80, 6);
	push(&fresh.ports, IN, TCP, 80, 80, 5);
	count_sort(&fresh.ports);
	assert_int_equal(fresh.ports.n, 2);
	assert_int_equal(count_learn(&known, &fresh), 0);
	assert_int_equal(find(&known.ports, IN, 80), 6);
	counts_clear(&known);
	counts_clear(&fresh);
}

static void test_spans(void **state)
{
	struct count_list list = { 0 }, known = { 0 };
	struct plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_make(&rules, &plan, NULL), 0);
	push(&known, OUT, TCP, 20, 29, 5);
	push(&known, OUT, TCP, 500, 600, 5);
	assert_int_equal(count_spans(&plan.spans, &known, &list), 0);
	/* Two ranges and two pieces of the rest, in both directions. */
	assert_int_equal(list.n, 8);
	for (size_t i = 1; i < list.n; i++)
		assert_true(count_compare(&list.element[i - 1], &list.element[i]) < 0);
	assert_int_equal(find(&list, OUT, 20), 5);
	assert_int_equal(find(&list, IN, 20), 0);
	assert_int_equal(find(&list, OUT, 500), -1);
	free(list.element);
	free(known.element);
	plan_clear(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
