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
	const struct count_element element = {
		direction, proto, first, last, packets, 100 * packets
	};

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
	/* Forwards that are gone, and a protocol that is not forwarded. */
	push(&counts.ports, IN, TCP, 5900, 5900, 9);
	push(&counts.ranges, IN, TCP, 10, 29, 9);
	push(&counts.ports, IN, UDP, 3389, 3389, 0);
	count_forwards(&counts, &plan, sums, ARRAY_SIZE(sums));
	assert_int_equal(sums[0].packets_in, 1);
	assert_int_equal(sums[0].bytes_in, 100);
	assert_int_equal(sums[0].packets_out, 0);
	assert_int_equal(sums[1].packets_out, 2);
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

static void test_learn(void **state)
{
	struct counts known = { 0 }, fresh = { 0 };

	(void)state;
	/* Sorted, as both have to be. */
	push(&fresh.ports, IN, TCP, 80, 80, 5);
	push(&fresh.ports, OUT, TCP, 22, 22, 6);
	assert_int_equal(count_learn(&known, &fresh), 0);
	fresh.ports.n = 0;
	push(&fresh.ports, IN, TCP, 22, 22, 1);
	push(&fresh.ports, IN, TCP, 80, 80, 9);
	push(&fresh.ports, OUT, TCP, 22, 22, 2);
	push(&fresh.ranges, IN, TCP, 1, 9, 3);
	assert_int_equal(count_learn(&known, &fresh), 0);
	assert_int_equal(known.ports.n, 3);
	assert_int_equal(find(&known.ports, IN, 80), 9);
	assert_int_equal(find(&known.ports, IN, 22), 1);
	/* Less than before: somebody emptied it. */
	assert_int_equal(find(&known.ports, OUT, 22), 6);
	assert_int_equal(find(&known.ranges, IN, 1), 3);
	for (size_t i = 1; i < known.ports.n; i++)
		assert_true(count_compare(&known.ports.element[i - 1], &known.ports.element[i]) <
			    0);
	counts_clear(&known);
	counts_clear(&fresh);
}

static void test_sort(void **state)
{
	struct count_list list = { 0 };

	(void)state;
	count_sort(&list);
	push(&list, OUT, TCP, 80, 80, 1);
	push(&list, IN, TCP, 80, 80, 2);
	/* Told twice, and there was a packet between. */
	push(&list, IN, TCP, 22, 22, 3);
	push(&list, IN, TCP, 80, 80, 4);
	push(&list, OUT, TCP, 80, 80, 1);
	count_sort(&list);
	assert_int_equal(list.n, 3);
	assert_int_equal(find(&list, IN, 22), 3);
	assert_int_equal(find(&list, IN, 80), 4);
	assert_int_equal(find(&list, OUT, 80), 1);
	free(list.element);
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
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
