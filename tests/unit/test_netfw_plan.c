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
	for (size_t i = 0; i < plan->n_ports; i++) {
		const struct plan_element *e = &plan->ports[i];

		assert_int_equal(e->first, e->last);
		used += (size_t)snprintf(buffer + used, size - used, "%c%u>%u#%zu ",
					 e->proto == TCP ? 't' : 'u', e->first, e->guest,
					 e->forward);
		assert_true(used < size);
	}
	for (size_t i = 0; i < plan->n_ranges; i++) {
		const struct plan_element *e = &plan->ranges[i];

		assert_int_equal(e->first, e->guest);
		used += (size_t)snprintf(buffer + used, size - used, "%c%u-%u#%zu ",
					 e->proto == TCP ? 't' : 'u', e->first, e->last,
					 e->forward);
		assert_true(used < size);
	}
}

static void good(const struct netfw_forward *forwards, size_t n, const char *expected)
{
	struct netfw_error error = { 0 };
	struct plan plan = { 0 };
	char rendered[512];

	assert_int_equal(plan_make(forwards, n, &plan, &error), 0);
	assert_int_equal(error.fault, NETFW_FAULT_NONE);
	render(&plan, rendered, sizeof(rendered));
	assert_string_equal(rendered, expected);
	plan_clear(&plan);
	assert_null(plan.ports);
}

static void bad(const struct netfw_forward *forwards, size_t n, int code, size_t guilty,
		const char *text)
{
	struct plan_element sentinel;
	struct plan plan = { .ports = &sentinel, .n_ports = 7 };
	struct netfw_error error = { 0 };

	assert_int_equal(plan_make(forwards, n, &plan, &error), code);
	assert_int_equal(error.fault, NETFW_FAULT_FORWARD);
	assert_int_equal(error.code, code);
	assert_int_equal(error.forward, guilty);
	assert_string_equal(error.text, text);
	assert_ptr_equal(plan.ports, &sentinel);
	assert_int_equal(plan.n_ports, 7);
	/* Without a place for the reason the answer is the same. */
	assert_int_equal(plan_make(forwards, n, &plan, NULL), code);
}

#define GOOD(expected, ...)                                                      \
	do {                                                                     \
		static const struct netfw_forward forwards_[] = { __VA_ARGS__ }; \
		good(forwards_, ARRAY_SIZE(forwards_), expected);                \
	} while (0)

#define BAD(code, guilty, text, ...)                                             \
	do {                                                                     \
		static const struct netfw_forward forwards_[] = { __VA_ARGS__ }; \
		bad(forwards_, ARRAY_SIZE(forwards_), code, guilty, text);       \
	} while (0)

static void test_empty(void **state)
{
	(void)state;
	good(NULL, 0, "");
}

static void test_sorted(void **state)
{
	(void)state;
	GOOD("t22>22#2 t3389>3389#1 u53>53#0 ", { UDP, 53, 53, 53 }, { TCP, 3389, 3389, 3389 },
	     { TCP, 22, 22, 22 });
	GOOD("t13389>3389#0 t1-2#2 u1-2#1 ", { TCP, 13389, 13389, 3389 }, { UDP, 1, 2, 1 },
	     { TCP, 1, 2, 1 });
	GOOD("t1-65535#0 ", { TCP, 1, 65535, 1 });
}

/** test_shifted() - The kernel's NAT cannot shift a range: one element for each port. */
static void test_shifted(void **state)
{
	(void)state;
	GOOD("t10>20#0 t11>21#0 t12>22#0 ", { TCP, 10, 12, 20 });
	GOOD("u65534>1#0 u65535>2#0 ", { UDP, 65534, 65535, 1 });
	GOOD("t1>65534#0 t2>65535#0 ", { TCP, 1, 2, 65534 });
}

static void test_joined(void **state)
{
	(void)state;
	/* Ranges that touch are one, with or without a port between them. */
	GOOD("t10-29#0 ", { TCP, 10, 19, 10 }, { TCP, 20, 29, 20 });
	GOOD("t10-29#2 ", { TCP, 21, 29, 21 }, { TCP, 20, 20, 20 }, { TCP, 10, 19, 10 });
	/* Single ports stay elements of the cheaper map. */
	GOOD("t10>10#0 t11>11#1 ", { TCP, 10, 10, 10 }, { TCP, 11, 11, 11 });
	/* Not touching, another protocol, shifted: never joined. */
	GOOD("t10-19#0 t21-29#1 ", { TCP, 10, 19, 10 }, { TCP, 21, 29, 21 });
	GOOD("t10-19#0 u20-29#1 ", { TCP, 10, 19, 10 }, { UDP, 20, 29, 20 });
	GOOD("t20>30#1 t21>31#1 t10-19#0 ", { TCP, 10, 19, 10 }, { TCP, 20, 21, 30 });
}

static void test_conflicts(void **state)
{
	(void)state;
	BAD(-EEXIST, 1, "forward 2: tcp port 80 is forwarded already by forward 1",
	    { TCP, 80, 80, 80 }, { TCP, 80, 80, 80 });
	BAD(-EEXIST, 1, "forward 2: udp port 15 is forwarded already by forward 1",
	    { UDP, 15, 15, 1 }, { UDP, 10, 20, 10 });
	BAD(-EEXIST, 2, "forward 3: tcp port 20 is forwarded already by forward 1",
	    { TCP, 10, 20, 10 }, { UDP, 20, 20, 20 }, { TCP, 20, 30, 40 });
	/* A long range over several small ones is found as well. */
	BAD(-EEXIST, 3, "forward 4: tcp port 7 is forwarded already by forward 1", { TCP, 7, 7, 7 },
	    { TCP, 8, 8, 8 }, { TCP, 9, 9, 9 }, { TCP, 1, 100, 1 });
	GOOD("t20>20#1 u20>20#0 ", { UDP, 20, 20, 20 }, { TCP, 20, 20, 20 });
}

static void test_impossible(void **state)
{
	(void)state;
	BAD(-EINVAL, 1, "forward 2: protocol 132 is neither tcp nor udp", { TCP, 1, 1, 1 },
	    { IPPROTO_SCTP, 2, 2, 2 });
	BAD(-EINVAL, 0, "forward 1: port 0 cannot be forwarded", { TCP, 0, 5, 1 });
	BAD(-EINVAL, 0, "forward 1: port 0 cannot be forwarded", { TCP, 5, 5, 0 });
	BAD(-EINVAL, 0, "forward 1: the range 10-5 ends before it begins", { TCP, 10, 5, 10 });
	BAD(-EINVAL, 0, "forward 1: the guest's range from 65530 would end behind port 65535",
	    { TCP, 1, 10, 65530 });
	GOOD("t1>65530#0 t2>65531#0 ", { TCP, 1, 2, 65530 });
}

/** test_many() - 10,000 forwards, in reverse, and the one that is wrong is named. */
static void test_many(void **state)
{
	enum { N = 10000 };
	autofree struct netfw_forward *forwards = calloc(N, sizeof(*forwards));
	struct netfw_error error = { 0 };
	struct plan plan = { 0 };

	(void)state;
	assert_non_null(forwards);
	for (unsigned i = 0; i < N; i++) {
		uint16_t port = (uint16_t)(2 * (N - i));

		forwards[i] = (struct netfw_forward){ TCP, port, port, port };
	}
	assert_int_equal(plan_make(forwards, N, &plan, &error), 0);
	assert_int_equal(plan.n_ports, N);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(plan.ports[i].first, 2 * (i + 1));
		assert_int_equal(plan.ports[i].forward, N - 1 - i);
	}
	plan_clear(&plan);
	forwards[7000].listen_first = forwards[7000].listen_last = forwards[123].listen_first;
	assert_int_equal(plan_make(forwards, N, &plan, &error), -EEXIST);
	assert_int_equal(error.forward, 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_shifted),	  cmocka_unit_test(test_joined),
		cmocka_unit_test(test_conflicts), cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
