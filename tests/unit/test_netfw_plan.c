/* The planner: sorted, joined, expanded, and every conflict found. */
#include "lib/util.h"
#include "netfw/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

/** render() - "t3389>3389#0" for ports, "u10-20#1" for ranges; # is the forward. */
static void render(const struct plan *plan, char *buffer, size_t size)
{
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < plan->ports.n; i++) {
		const struct plan_element *e = &plan->ports.element[i];

		assert_int_equal(e->first, e->last);
		used += (size_t)snprintf(buffer + used, size - used, "%c%u>%u#%u ",
					 e->proto == TCP ? 't' : 'u', e->first, e->guest,
					 e->forward);
		assert_true(used < size);
	}
	for (size_t i = 0; i < plan->ranges.n; i++) {
		const struct plan_element *e = &plan->ranges.element[i];

		assert_int_equal(e->first, e->guest);
		used += (size_t)snprintf(buffer + used, size - used, "%c%u-%u#%u ",
					 e->proto == TCP ? 't' : 'u', e->first, e->last,
					 e->forward);
		assert_true(used < size);
	}
}

static void good(const struct netfw_rules *rules, const char *expected)
{
	struct netfw_error error = { 0 };
	struct plan plan = { 0 };
	char rendered[512];

	/* The second time in the memory of the first. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(plan_make(rules, &plan, &error), 0);
		assert_int_equal(error.fault, NETFW_FAULT_NONE);
		render(&plan, rendered, sizeof(rendered));
		assert_string_equal(rendered, expected);
	}
	plan_clear(&plan);
	assert_null(plan.ports.element);
}

static void bad(const struct netfw_rules *rules, int code, size_t guilty, const char *text)
{
	static const struct netfw_forward fine = { TCP, 9, 9, 9, false };
	const struct netfw_rules before = { .forwards = &fine, .n_forwards = 1 };
	struct netfw_error error = { 0 };
	struct plan plan = { 0 };

	assert_int_equal(plan_make(&before, &plan, &error), 0);
	assert_int_equal(plan_make(rules, &plan, &error), code);
	assert_int_equal(error.fault, NETFW_FAULT_FORWARD);
	assert_int_equal(error.code, code);
	assert_int_equal(error.forward, guilty);
	assert_string_equal(error.text, text);
	assert_int_equal(plan.ports.n + plan.ranges.n + plan.spans.n, 0);
	/* Without a place for the reason the answer is the same. */
	assert_int_equal(plan_make(rules, &plan, NULL), code);
	plan_clear(&plan);
}

#define GOOD(expected, ...)                                                                \
	do {                                                                               \
		static const struct netfw_forward forwards_[] = { __VA_ARGS__ };           \
		const struct netfw_rules rules_ = { .forwards = forwards_,                 \
						    .n_forwards = ARRAY_SIZE(forwards_) }; \
		good(&rules_, expected);                                                   \
	} while (0)

#define BAD(code, guilty, text, ...)                                                       \
	do {                                                                               \
		static const struct netfw_forward forwards_[] = { __VA_ARGS__ };           \
		const struct netfw_rules rules_ = { .forwards = forwards_,                 \
						    .n_forwards = ARRAY_SIZE(forwards_) }; \
		bad(&rules_, code, guilty, text);                                          \
	} while (0)

static void test_empty(void **state)
{
	(void)state;
	good(&(struct netfw_rules){ 0 }, "");
}

static void test_sorted(void **state)
{
	(void)state;
	GOOD("t22>22#2 t3389>3389#1 u53>53#0 ", { UDP, 53, 53, 53, false },
	     { TCP, 3389, 3389, 3389, false }, { TCP, 22, 22, 22, false });
	GOOD("t13389>3389#0 t1-2#2 u1-2#1 ", { TCP, 13389, 13389, 3389, false },
	     { UDP, 1, 2, 1, false }, { TCP, 1, 2, 1, false });
	GOOD("t1-65535#0 ", { TCP, 1, 65535, 1, false });
}

/** test_shifted() - The kernel's NAT cannot shift a range: one element for each port. */
static void test_shifted(void **state)
{
	(void)state;
	GOOD("t10>20#0 t11>21#0 t12>22#0 ", { TCP, 10, 12, 20, false });
	GOOD("u65534>1#0 u65535>2#0 ", { UDP, 65534, 65535, 1, false });
	GOOD("t1>65534#0 t2>65535#0 ", { TCP, 1, 2, 65534, false });
}

static void test_joined(void **state)
{
	(void)state;
	/* Ranges that touch are one. */
	GOOD("t10-29#0 ", { TCP, 10, 19, 10, false }, { TCP, 20, 29, 20, false });
	/* A port between them stays an element of the cheaper map. */
	GOOD("t20>20#1 t10-19#2 t21-29#0 ", { TCP, 21, 29, 21, false }, { TCP, 20, 20, 20, false },
	     { TCP, 10, 19, 10, false });
	/* So do single ports. */
	GOOD("t10>10#0 t11>11#1 ", { TCP, 10, 10, 10, false }, { TCP, 11, 11, 11, false });
	/* Not touching, another protocol, shifted: never joined. */
	GOOD("t10-19#0 t21-29#1 ", { TCP, 10, 19, 10, false }, { TCP, 21, 29, 21, false });
	GOOD("t10-19#0 u20-29#1 ", { TCP, 10, 19, 10, false }, { UDP, 20, 29, 20, false });
	GOOD("t20>30#1 t21>31#1 t10-19#0 ", { TCP, 10, 19, 10, false }, { TCP, 20, 21, 30, false });
}

static void test_conflicts(void **state)
{
	(void)state;
	BAD(-EEXIST, 1, "forward 2: tcp port 80 is forwarded already by forward 1",
	    { TCP, 80, 80, 80, false }, { TCP, 80, 80, 80, false });
	BAD(-EEXIST, 1, "forward 2: udp port 15 is forwarded already by forward 1",
	    { UDP, 15, 15, 1, false }, { UDP, 10, 20, 10, false });
	BAD(-EEXIST, 2, "forward 3: tcp port 20 is forwarded already by forward 1",
	    { TCP, 10, 20, 10, false }, { UDP, 20, 20, 20, false }, { TCP, 20, 30, 40, false });
	/* A long range over several small ones is found as well. */
	BAD(-EEXIST, 3, "forward 4: tcp port 7 is forwarded already by forward 1",
	    { TCP, 7, 7, 7, false }, { TCP, 8, 8, 8, false }, { TCP, 9, 9, 9, false },
	    { TCP, 1, 100, 1, false });
	GOOD("t20>20#1 u20>20#0 ", { UDP, 20, 20, 20, false }, { TCP, 20, 20, 20, false });
}

static void test_impossible(void **state)
{
	(void)state;
	BAD(-EINVAL, 1, "forward 2: protocol 132 is neither tcp nor udp", { TCP, 1, 1, 1, false },
	    { IPPROTO_SCTP, 2, 2, 2, false });
	BAD(-EINVAL, 0, "forward 1: port 0 cannot be forwarded", { TCP, 0, 5, 1, false });
	BAD(-EINVAL, 0, "forward 1: port 0 cannot be forwarded", { TCP, 5, 5, 0, false });
	BAD(-EINVAL, 0, "forward 1: the range 10-5 ends before it begins",
	    { TCP, 10, 5, 10, false });
	BAD(-EINVAL, 0, "forward 1: the guest's range from 65530 would end behind port 65535",
	    { TCP, 1, 10, 65530, false });
	GOOD("t1>65530#0 t2>65531#0 ", { TCP, 1, 2, 65530, false });
}

/** test_many() - 10,000 forwards, in reverse, and the one that is wrong is named. */
static void test_many(void **state)
{
	enum { N = 10000 };
	autofree struct netfw_forward *forwards = calloc(N, sizeof(*forwards));
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = N };
	struct netfw_error error = { 0 };
	struct plan plan = { 0 };

	(void)state;
	assert_non_null(forwards);
	for (unsigned i = 0; i < N; i++) {
		uint16_t port = (uint16_t)(2 * (N - i));

		forwards[i] = (struct netfw_forward){ TCP, port, port, port, false };
	}
	assert_int_equal(plan_make(&rules, &plan, &error), 0);
	assert_int_equal(plan.ports.n, N);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(plan.ports.element[i].first, 2 * (i + 1));
		assert_int_equal(plan.ports.element[i].forward, N - 1 - i);
	}
	forwards[7000].listen_first = forwards[7000].listen_last = forwards[123].listen_first;
	assert_int_equal(plan_make(&rules, &plan, &error), -EEXIST);
	assert_int_equal(error.forward, 7000);
	plan_clear(&plan);
}

/** test_rest() - The gaps between forwards and kept ports, and nothing else. */
static void test_rest(void **state)
{
	static const struct netfw_forward all[] = { { TCP, 1, 65535, 1, true },
						    { TCP, 13389, 13389, 3389, false },
						    { TCP, 5000, 5010, 5000, false },
						    { UDP, 53, 53, 53, false } };
	static const struct netfw_ports kept[] = {
		{ TCP, 22, 22 }, { TCP, 1, 2 }, { TCP, 2, 4 }, { UDP, 1, 5 }, { TCP, 65535, 65535 }
	};
	static const struct netfw_forward two[] = { { UDP, 10, 20, 10, true },
						    { UDP, 12, 18, 12, false } };

	(void)state;
	/* Forward 2 touches the rest on both sides; in the kernel's list they are one. */
	good(&(struct netfw_rules){ .forwards = all, .n_forwards = ARRAY_SIZE(all) },
	     "t13389>3389#1 u53>53#3 t1-13388#0 t13390-65535#0 ");
	good(&(struct netfw_rules){ .forwards = all,
				    .n_forwards = ARRAY_SIZE(all),
				    .kept = kept,
				    .n_kept = ARRAY_SIZE(kept) },
	     "t13389>3389#1 u53>53#3 t5-21#0 t23-13388#0 t13390-65534#0 ");
	good(&(struct netfw_rules){ .forwards = two, .n_forwards = ARRAY_SIZE(two) }, "u10-20#0 ");
	GOOD("t1-65535#0 u1-65535#1 ", { TCP, 1, 65535, 1, true }, { UDP, 1, 65535, 1, true });
	/* Nothing is left over. */
	GOOD("t5>15#0 t6>16#0 ", { TCP, 5, 6, 15, false }, { TCP, 6, 6, 6, true });
	BAD(-EEXIST, 1, "forward 2: tcp port 7 is forwarded already by forward 1",
	    { TCP, 1, 65535, 1, true }, { TCP, 7, 7, 7, true });
	BAD(-EINVAL, 0, "forward 1: the rest of the ports cannot lead to other ports",
	    { TCP, 1, 100, 2, true });
}

static void test_kept(void **state)
{
	static const struct netfw_forward forwards[] = { { TCP, 80, 80, 80, false },
							 { TCP, 20, 25, 20, false } };
	static const struct netfw_ports kept[] = { { UDP, 1, 65535 }, { TCP, 22, 22 } };
	struct netfw_rules rules = {
		.forwards = forwards, .n_forwards = 2, .kept = kept, .n_kept = 2
	};

	(void)state;
	bad(&rules, -EEXIST, 1,
	    "forward 2: tcp port 22 is one of those that stay with the container");
	rules.n_forwards = 1;
	good(&rules, "t80>80#0 ");
}

/** test_counted() - What is joined for the kernel is counted apart. */
static void test_counted(void **state)
{
	static const struct netfw_forward forwards[] = { { TCP, 10, 19, 10, false },
							 { TCP, 20, 29, 20, false },
							 { TCP, 40, 40, 40, false } };
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = 3 };
	struct plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_make(&rules, &plan, NULL), 0);
	assert_int_equal(plan.ranges.n, 1);
	assert_int_equal(plan.spans.n, 2);
	assert_int_equal(plan.spans.element[0].last, 19);
	assert_int_equal(plan.spans.element[1].forward, 1);
	plan_clear(&plan);
}

/** test_limit() - The longest ranges stay ranges, the others become ports; all are still there. */
static void test_limit(void **state)
{
	enum { N = PLAN_MAX_RANGES + 100 };
	struct netfw_forward forwards[N];
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = N };
	struct plan plan = { 0 };
	size_t ports = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		/* The first 50 have eleven ports, 300 have three, six have two. */
		uint16_t first = (uint16_t)(100 * (i + 1)),
			 last = (uint16_t)(first + (i < 50    ? 10
						    : i < 350 ? 2
							      : 1));

		forwards[i] = (struct netfw_forward){ TCP, first, last, first, false };
		ports += last - first + 1u;
	}
	assert_int_equal(plan_make(&rules, &plan, NULL), 0);
	assert_int_equal(plan.ranges.n, PLAN_MAX_RANGES);
	assert_int_equal(plan.spans.n, PLAN_MAX_RANGES);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(plan.spans.element[i].forward, i);
	assert_int_equal(ports, 50 * 11 + 206 * 3 + plan.ports.n);
	for (size_t i = 0; i < N; i++) {
		uint16_t port = forwards[i].listen_last;

		assert_true(plan_find(&plan.ports, TCP, port) ||
			    plan_find(&plan.ranges, TCP, port));
		assert_null(plan_find(&plan.ports, TCP, (uint16_t)(port + 1)));
		assert_null(plan_find(&plan.ranges, UDP, port));
	}
	plan_clear(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_shifted),	  cmocka_unit_test(test_joined),
		cmocka_unit_test(test_conflicts), cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_many),	  cmocka_unit_test(test_rest),
		cmocka_unit_test(test_kept),	  cmocka_unit_test(test_counted),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
