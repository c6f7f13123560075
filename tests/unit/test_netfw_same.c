/*
 * Ours against the kernel's: what the kernel adds does not count, whatever anybody changes does.
 * The kernel's part is played by our own messages, with its additions; tests/netfw asks the kernel.
 */
#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/encode.h"
#include "netfw/same.h"
#include "netfw_fixture.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct made made;
static struct batch batch;
static uint32_t sequence;

static int make(void **state)
{
	static const struct netfw_forward forward = { IPPROTO_TCP, 10, 20, 10, false };
	const struct netfw_rules rules = { .forwards = &forward, .n_forwards = 1 };
	struct netfw_network network = { .bridge = "virbr1", .prefix = 24, .ipv6 = NETFW_IPV6_ON };

	(void)state;
	made = (struct made){ 0 };
	make_ruleset(&made, &network, &rules);
	batch_init(&batch, &sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &made.ruleset);
	return batch.error;
}

static int clear(void **state)
{
	(void)state;
	batch_clear(&batch);
	clear_ruleset(&made);
	return 0;
}

/** same() - As readback.c compares a message of that kind. */
static bool same(enum batch_kind kind, const struct nlmsghdr *ours, const struct nlmsghdr *theirs)
{
	if (kind == BATCH_RULE)
		return same_rule(ours, theirs);
	if (kind == BATCH_SET)
		return same_object(ours, theirs, NFTA_SET_ID);
	return same_object(ours, theirs, NFTA_CHAIN_ID);
}

static bool compared(enum batch_kind kind)
{
	return kind == BATCH_SET || kind == BATCH_CHAIN || kind == BATCH_RULE;
}

/** copy() - A message with room behind it. */
static struct nlmsghdr *copy(const struct nlmsghdr *message, char buffer[static 4096])
{
	assert_true(message->nlmsg_len + 64 < 4096);
	memset(buffer, 0, 4096);
	memcpy(buffer, message, message->nlmsg_len);
	return (struct nlmsghdr *)buffer;
}

static void test_itself(void **state)
{
	char buffer[4096];

	(void)state;
	for (size_t i = 0; i < batch.n_objects; i++) {
		const struct nlmsghdr *ours = batch_message_of(&batch, &batch.objects[i]);
		struct nlmsghdr *theirs = copy(ours, buffer);

		if (!compared(batch.objects[i].kind))
			continue;
		assert_true(same(batch.objects[i].kind, ours, theirs));
		/* A handle, a position, a use count. */
		mnl_attr_put_u64(theirs, 60, 12345);
		assert_true(same(batch.objects[i].kind, ours, theirs));
	}
}

/** test_others() - No two of our own messages of a kind are the same. */
static void test_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < batch.n_objects; i++) {
		for (size_t k = 0; k < batch.n_objects; k++) {
			const struct batch_object *a = &batch.objects[i], *b = &batch.objects[k];

			/* Rules may well be the same in two chains. */
			if (i == k || a->kind != b->kind || !compared(a->kind) ||
			    (a->kind == BATCH_RULE && streq(a->text, b->text)))
				continue;
			assert_false(same(a->kind, batch_message_of(&batch, a),
					  batch_message_of(&batch, b)));
		}
	}
}

/** find() - The message of the rule with that text. */
static const struct nlmsghdr *find(const char *text)
{
	for (size_t i = 0; i < batch.n_objects; i++) {
		if (batch.objects[i].kind == BATCH_RULE && streq(batch.objects[i].text, text))
			return batch_message_of(&batch, &batch.objects[i]);
	}
	fail_msg("no rule %s", text);
	return NULL;
}

/** values() - Call @change for every attribute without others in it, at any depth of @outer. */
static void values(struct nlattr *outer, void (*change)(struct nlattr *attr, void *context),
		   void *context)
{
	const struct nlattr *attr = NULL;

	if (!(outer->nla_type & NLA_F_NESTED)) {
		change(outer, context);
		return;
	}
	while ((attr = attr_next_nested(outer, attr)))
		values((struct nlattr *)(uintptr_t)attr, change, context);
}

struct flip {
	const struct nlmsghdr *ours, *theirs;
	unsigned n, unnoticed;
};

/** flip() - Change the last byte, look, change it back. */
static void flip(struct nlattr *attr, void *context)
{
	struct flip *flips = context;
	uint8_t *byte = (uint8_t *)mnl_attr_get_payload(attr) + mnl_attr_get_payload_len(attr) - 1;

	*byte ^= 1;
	flips->n++;
	flips->unnoticed += same_rule(flips->ours, flips->theirs);
	*byte ^= 1;
}

/** test_changed() - Every single value of a rule counts, but for counts and set numbers. */
static void test_changed(void **state)
{
	static const struct {
		const char *text;
		unsigned unnoticed;
	} cases[] = {
		{ "iifname \"virbr1\" udp dport 53 return", 0 },
		{ "fib daddr type local jump forwards", 0 },
		{ "ct state established,related accept", 0 },
		{ "tcp flags syn / syn,rst tcp option maxseg size set rt mtu", 0 },
		{ "ct status dnat ct direction original goto count", 0 },
		/* The set's number. */
		{ "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @fwd4", 1 },
		{ "meta l4proto tcp add @count_ports { " RULE_COUNT_KEY " counter }", 1 },
	};
	const struct nlattr *attr[NFTA_RULE_EXPRESSIONS + 1];
	char buffer[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flip flips = { .ours = find(cases[i].text) };

		flips.theirs = copy(flips.ours, buffer);
		attr_index(flips.theirs, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
		values((struct nlattr *)(uintptr_t)attr[NFTA_RULE_EXPRESSIONS], flip, &flips);
		assert_true(flips.n > 4);
		assert_int_equal(flips.unnoticed, cases[i].unnoticed);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_itself),
		TEST(test_others),
		TEST(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
