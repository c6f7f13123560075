/*
 * From the kernel's (sequence number, offset, code) to a sentence that names rule, forward or
 * module. No kernel needed.
 */
#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/encode.h"
#include "netfw/explain.h"
#include "netfw_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* More elements than one message takes, so that the index counts on from message to message. */
#define N_PORTS 600

static struct netfw_forward forwards[N_PORTS + 1];
static struct made made;
static struct batch batch;
static uint32_t sequence;
static struct netfw_error error;

static int make(void **state)
{
	struct netfw_network network = { .bridge = "virbr1", .prefix = 24, .mtu = 1500 };
	const struct netfw_rules rules = { .forwards = forwards,
					   .n_forwards = ARRAY_SIZE(forwards) };

	(void)state;
	network.guest.s_addr = inet_addr("192.168.121.68");
	/* Forward 1 is the last port, forward 600 the first; forward 601 a range. */
	for (unsigned i = 0; i < N_PORTS; i++) {
		uint16_t port = (uint16_t)(1000 + 2 * (N_PORTS - i));

		forwards[i] = (struct netfw_forward){ IPPROTO_TCP, port, port, port, false };
	}
	forwards[N_PORTS] = (struct netfw_forward){ IPPROTO_UDP, 50, 60, 50, false };
	make_ruleset(&made, &network, &rules);
	/* Close to the end of the numbers, so that they wrap around in mid-batch. */
	sequence = UINT32_MAX - 5;
	batch_init(&batch, &sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &made.ruleset);
	batch_end(&batch);
	assert_int_equal(batch.error, 0);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	batch_clear(&batch);
	clear_ruleset(&made);
	return 0;
}

/** find() - Sequence number of the @nth message (from 0) about an object of that kind and name. */
static uint32_t find(enum batch_kind kind, const char *name, unsigned nth)
{
	for (uint32_t i = 0; i < batch.n_objects; i++) {
		const struct batch_object *object = &batch.objects[i];

		if (object->kind == kind && (!name || streq(object->name, name)) && nth-- == 0)
			return batch.first + i;
	}
	fail_msg("no such message");
	return 0;
}

/** expression_offset() - Where the expression @name is in the message @number. */
static uint32_t expression_offset(uint32_t number, const char *name)
{
	const struct nlattr *attr[NFTA_RULE_EXPRESSIONS + 1], *expression = NULL,
							      *parts[NFTA_EXPR_NAME + 1];
	const struct nlmsghdr *message;

	assert_non_null(batch_find(&batch, number, &message));
	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	while ((expression = attr_next_nested(attr[NFTA_RULE_EXPRESSIONS], expression))) {
		attr_index_nested(expression, parts, ARRAY_SIZE(parts));
		if (streq(mnl_attr_get_str(parts[NFTA_EXPR_NAME]), name))
			return (uint32_t)((const char *)expression - (const char *)message);
	}
	fail_msg("no expression %s", name);
	return 0;
}

static void explained(uint32_t number, uint32_t offset, int code, enum netfw_fault fault,
		      const char *text)
{
	struct talk_answer answer = { .code = code, .sequence = number, .offset = offset };

	error = (struct netfw_error){ .forward = 12345 };
	assert_int_equal(explain_batch(&batch, &answer, &error), code);
	assert_string_equal(error.text, text);
	assert_int_equal(error.fault, fault);
	assert_int_equal(error.code, code);
	assert_int_equal(explain_batch(&batch, &answer, NULL), code);
}

static void test_begin(void **state)
{
	uint32_t begin = find(BATCH_BEGIN, NULL, 0);

	(void)state;
	explained(begin, 0, -EPERM, NETFW_FAULT_PRIVILEGE,
		  "changing the packet filter: the capability NET_ADMIN is missing: start the "
		  "container with "
		  "--cap-add NET_ADMIN");
	explained(begin, 0, -EOPNOTSUPP, NETFW_FAULT_KERNEL,
		  "the kernel does not know nftables: load the module nf_tables on the host "
		  "(modprobe nf_tables)");
	explained(begin, 0, -ENOMEM, NETFW_FAULT_SYSTEM,
		  "changing the packet filter: Cannot allocate memory");
	assert_int_equal(error.forward, NETFW_NONE);
	explained(begin - 1, 0, -EIO, NETFW_FAULT_SYSTEM,
		  "changing the packet filter: Input/output error");
	explained(sequence + 1, 0, -EIO, NETFW_FAULT_SYSTEM,
		  "changing the packet filter: Input/output error");
}

/** test_modules() - An expression that the kernel does not know names its module. */
static void test_modules(void **state)
{
	static const struct {
		const char *chain;
		unsigned nth;
		const char *expression, *module;
	} cases[] = {
		{ "forwards", 0, "nat", "nft_nat" },
		{ "postrouting", 1, "masq", "nft_masq" },
		{ "prerouting", 3, "fib", "nft_fib_inet" },
		{ "to_guest", 1, "ct", "nft_ct" },
		{ "forwards", 1, "lookup", "nf_tables" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t number = find(BATCH_RULE, cases[i].chain, cases[i].nth);

		snprintf(text, sizeof(text),
			 "the kernel does not know the nftables expression \"%s\": load the module "
			 "%s on the host "
			 "(modprobe %s)",
			 cases[i].expression, cases[i].module, cases[i].module);
		/* The offset is that of the expression or of something in it. */
		for (uint32_t within = 0; within < 12; within += 4)
			explained(number, expression_offset(number, cases[i].expression) + within,
				  -ENOENT, NETFW_FAULT_KERNEL, text);
	}
	explained(find(BATCH_CHAIN, "output", 0), 0, -ENOENT, NETFW_FAULT_KERNEL,
		  "the kernel does not know nftables chains of type nat: load the module "
		  "nft_chain_nat on the host "
		  "(modprobe nft_chain_nat)");
	explained(find(BATCH_SET, "rng4", 0), 0, -EOPNOTSUPP, NETFW_FAULT_KERNEL,
		  "the kernel does not know nftables sets of this kind: load the module "
		  "nf_tables_set on the host "
		  "(modprobe nf_tables_set)");
	explained(find(BATCH_TABLE, NULL, 0), 0, -EAFNOSUPPORT, NETFW_FAULT_KERNEL,
		  "the kernel does not know nftables tables of family inet: load the module "
		  "nf_tables on the host "
		  "(modprobe nf_tables)");
}

static void test_objects(void **state)
{
	uint32_t rule = find(BATCH_RULE, "output", 2);

	(void)state;
	explained(find(BATCH_TABLE, NULL, 1), 0, -EPERM, NETFW_FAULT_SYSTEM,
		  "table inet casement belongs to another process that is still running");
	explained(find(BATCH_TABLE, NULL, 2), 0, -EINVAL, NETFW_FAULT_SYSTEM,
		  "table inet casement: Invalid argument");
	explained(find(BATCH_SET, "fwd4", 0), 0, -EINVAL, NETFW_FAULT_SYSTEM,
		  "set fwd4: Invalid argument");
	explained(find(BATCH_CHAIN, "to_guest", 0), 0, -ENOENT, NETFW_FAULT_SYSTEM,
		  "chain to_guest: No such file or directory");
	explained(rule, expression_offset(rule, "fib"), -EINVAL, NETFW_FAULT_SYSTEM,
		  "rule \"fib daddr type local jump forwards\" of chain output, expression "
		  "\"fib\": Invalid argument");
	/* Without an offset, or with one of another attribute, the expression cannot be told. */
	explained(rule, 0, -ENOENT, NETFW_FAULT_SYSTEM,
		  "rule \"fib daddr type local jump forwards\" of chain output: No such file or "
		  "directory");
}

/** test_elements() - The offset says which element, and so which forward. */
static void test_elements(void **state)
{
	static const unsigned indices[] = { 0, 1, 249, 250, 450, 599 };
	char text[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(indices); i++) {
		unsigned index = indices[i];
		uint32_t number = find(BATCH_ELEMENTS, "fwd4", index / 250);
		const struct nlmsghdr *message;
		const struct batch_object *object = batch_find(&batch, number, &message);
		uint32_t offset = object->offset + (index % 250) * object->size;

		assert_ptr_equal(object->elements, made.plan.ports.element + index / 250 * 250);
		snprintf(text, sizeof(text),
			 "forward %u, tcp port %u: the kernel says: File exists", N_PORTS - index,
			 1002 + 2 * index);
		explained(number, offset, -EEXIST, NETFW_FAULT_FORWARD, text);
		assert_int_equal(error.forward, N_PORTS - 1 - index);
		explained(number, offset + object->size - 1, -EEXIST, NETFW_FAULT_FORWARD, text);
	}
	explained(find(BATCH_ELEMENTS, "fwd4", 2), 0, -ENOMEM, NETFW_FAULT_SYSTEM,
		  "elements of fwd4: Cannot allocate memory");
	explained(find(BATCH_ELEMENTS, "fwd4", 2), 60000, -EEXIST, NETFW_FAULT_SYSTEM,
		  "elements of fwd4: File exists");
	/* Only that it is there already is the forward's fault. */
	explained(find(BATCH_ELEMENTS, "rng4", 0), 60, -ENOMEM, NETFW_FAULT_SYSTEM,
		  "forward 601, udp port 50: the kernel says: Cannot allocate memory");
	explained(find(BATCH_ELEMENTS, "rng4", 0), 60, -EEXIST, NETFW_FAULT_FORWARD,
		  "forward 601, udp port 50: the kernel says: File exists");
	assert_int_equal(error.forward, N_PORTS);
}

/** test_kernels_words() - Where the kernel gives a text, it is used. */
static void test_kernels_words(void **state)
{
	struct talk_answer answer = { .code = -EINVAL,
				      .sequence = find(BATCH_CHAIN, "guard", 0),
				      .text = "no such hook" };

	(void)state;
	assert_int_equal(explain_batch(&batch, &answer, &error), -EINVAL);
	assert_string_equal(error.text, "chain guard: no such hook");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begin),    TEST(test_modules),       TEST(test_objects),
		TEST(test_elements), TEST(test_kernels_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
