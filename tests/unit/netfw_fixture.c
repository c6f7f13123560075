#include "netfw_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void make_ruleset(struct made *made, const struct netfw_network *network,
		  const struct netfw_rules *rules)
{
	struct ruleset_key key = ruleset_key("casement", network, rules->source);
	struct count_list known = made->counts.ranges, ranges = { 0 };

	assert_int_equal(plan_make(rules, &made->plan, NULL), 0);
	assert_int_equal(count_spans(&made->plan.spans, &known, &ranges), 0);
	free(known.element);
	made->counts.ranges = ranges;
	ruleset_frame(&key, &made->plan, &made->counts, &made->ruleset);
	assert_int_equal(ruleset_add_rules(&made->ruleset), 0);
}

void clear_ruleset(struct made *made)
{
	ruleset_clear(&made->ruleset);
	counts_clear(&made->counts);
	plan_clear(&made->plan);
}
