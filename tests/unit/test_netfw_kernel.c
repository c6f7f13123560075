/*
 * The library against the real kernel, in a network namespace of a user namespace of its own: needs
 * no root, touches nothing. What is faulty is made faulty here, in the plan or in the batch's
 * bytes; the kernel is to notice and the library to explain.
 */
#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/encode.h"
#include "netfw/explain.h"
#include "netfw/netfw.h"
#include "netfw/transact.h"
#include "netfw_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cmocka.h>

/* More bytes than a socket's default send buffer. */
#define MANY 10000

static struct netfw_forward forwards[MANY];
static struct netfw_network network = {
	.bridge = "virbr1", .prefix = 24, .mtu = 1500, .ipv6 = NETFW_IPV6_OFF
};
static struct netfw_error error;
static struct talk filter;
static struct netfw *netfw;

static int enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("a user namespace and a network namespace are needed");
		return -1;
	}
	network.address.s_addr = inet_addr("192.168.121.1");
	network.guest.s_addr = inet_addr("192.168.121.68");
	for (unsigned i = 0; i < MANY; i++)
		forwards[i] = (struct netfw_forward){ IPPROTO_TCP, (uint16_t)(i + 1),
						      (uint16_t)(i + 1), 3389, false };
	return 0;
}

static int setup(void **state)
{
	(void)state;
	if (talk_open(&filter, NETLINK_NETFILTER) < 0)
		return -1;
	return netfw_open("casement", &netfw, &error);
}

static int teardown(void **state)
{
	int r = netfw_clear(netfw, "virbr1", &error);

	(void)state;
	talk_close(&filter);
	netfw_close(netfw);
	return r;
}

static int on_table(const struct nlmsghdr *message, void *context)
{
	unsigned *n = context;

	(void)message;
	++*n;
	return MNL_CB_OK;
}

/** count() - How many objects of a kind there are: NFT_MSG_GETTABLE, GETRULE. */
static unsigned count(uint16_t type)
{
	char buffer[64];
	struct nlmsghdr *message =
		talk_message(&filter, buffer, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0);
	unsigned n = 0;

	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	assert_int_equal(talk_dump(&filter, message, on_table, &n), 0);
	return n;
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_SET_ELEM_LIST_MAX + 1], *element = NULL;
	unsigned *n = context;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	while (attr[NFTA_SET_ELEM_LIST_ELEMENTS] &&
	       (element = attr_next_nested(attr[NFTA_SET_ELEM_LIST_ELEMENTS], element)))
		++*n;
	return MNL_CB_OK;
}

/** elements() - How many elements fwd4 of our table has; 0 if there is none. */
static unsigned elements(void)
{
	char buffer[128];
	struct nlmsghdr *message =
		talk_message(&filter, buffer, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof(*general));
	unsigned n = 0;
	int r;

	general->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, "casement");
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "fwd4");
	r = talk_dump(&filter, message, on_elements, &n);
	assert_true(r == 0 || r == -ENOENT);
	return n;
}

/** generation() - Number of the ruleset's state. */
static uint32_t generation(void)
{
	uint32_t number = 0;

	assert_int_equal(transact_generation(&filter, &number, NULL), 0);
	return number;
}

/** apply() - Apply the first @n forwards; what was done, or -errno. */
static int apply(size_t n)
{
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = n };
	enum netfw_change change = NETFW_UNCHANGED;
	int r = netfw_apply(netfw, &network, &rules, &change, &error);

	return r < 0 ? r : (int)change;
}

/** send_batch() - Send a batch that is based on no particular state. */
static struct talk_answer send_batch(struct batch *batch)
{
	struct talk_answer answer = { 0 };

	assert_int_equal(batch->error, 0);
	assert_int_equal(talk_batch(&filter, batch->data, batch->length, &answer), 0);
	return answer;
}

/** build() - The table with @n forwards, as a batch. */
static void build(struct batch *batch, struct made *made, size_t n)
{
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = n };

	*made = (struct made){ 0 };
	make_ruleset(made, &network, &rules);
	batch_init(batch, &filter.sequence);
	batch_begin(batch);
	encode_ruleset(batch, &made->ruleset);
	batch_end(batch);
}

static void test_check_keeps_nothing(void **state)
{
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = MANY };

	(void)state;
	assert_int_equal(netfw_check(netfw, &network, &rules, &error), 0);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
}

static void test_apply_and_clear(void **state)
{
	unsigned rules;

	(void)state;
	assert_int_equal(apply(1), NETFW_REPLACED);
	assert_int_equal(count(NFT_MSG_GETTABLE), 1);
	rules = count(NFT_MSG_GETRULE);
	assert_true(rules > 15);
	assert_int_equal(apply(2), NETFW_UPDATED);
	assert_int_equal(elements(), 2);
	assert_int_equal(count(NFT_MSG_GETTABLE), 1);
	assert_int_equal(count(NFT_MSG_GETRULE), rules);
	assert_int_equal(apply(0), NETFW_UPDATED);
	assert_int_equal(elements(), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netfw_clear(netfw, "virbr1", &error), 0);
		assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	}
}

/**
 * test_unchanged() - Nothing to do is nothing done: from memory, by another handle that has to read
 * the table, and after somebody changed something else.
 */
static void test_unchanged(void **state)
{
	struct netfw *other = NULL, *mine = netfw;
	uint32_t before;

	(void)state;
	assert_int_equal(apply(100), NETFW_REPLACED);
	before = generation();
	assert_int_equal(apply(100), NETFW_UNCHANGED);
	assert_int_equal(netfw_open("casement", &other, &error), 0);
	netfw = other;
	assert_int_equal(apply(100), NETFW_UNCHANGED);
	assert_int_equal(generation(), before);
	assert_int_equal(apply(99), NETFW_UPDATED);
	netfw = mine;
	assert_int_equal(apply(100), NETFW_UPDATED);
	assert_int_equal(elements(), 100);
	netfw_close(other);

	assert_int_equal(netfw_open("somebody", &other, &error), 0);
	assert_int_equal(netfw_clear(other, "none", &error), 0);
	before = generation();
	assert_int_equal(apply(100), NETFW_UNCHANGED);
	assert_int_equal(generation(), before);
	netfw_close(other);
}

int __real_mnl_cb_run(const void *buffer, size_t size, unsigned sequence, unsigned port,
		      mnl_cb_t on_data, void *context);
int __wrap_mnl_cb_run(const void *buffer, size_t size, unsigned sequence, unsigned port,
		      mnl_cb_t on_data, void *context);

/* How many datagrams with elements are told twice. */
static int told_twice;

/** __wrap_mnl_cb_run() - A set that grows while it is read: the kernel begins anew with some. */
int __wrap_mnl_cb_run(const void *buffer, size_t size, unsigned sequence, unsigned port,
		      mnl_cb_t on_data, void *context)
{
	const struct nlmsghdr *message = buffer;

	if (told_twice > 0 &&
	    message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM)) {
		told_twice--;
		__real_mnl_cb_run(buffer, size, sequence, port, on_data, context);
	}
	return __real_mnl_cb_run(buffer, size, sequence, port, on_data, context);
}

/**
 * test_growing() - What was told twice is no reason to remove it, and the reading is done again:
 * the kernel may have left out others.
 */
static void test_growing(void **state)
{
	struct netfw *other = NULL, *mine = netfw;

	(void)state;
	assert_int_equal(apply(100), NETFW_REPLACED);
	assert_int_equal(netfw_open("casement", &other, &error), 0);
	netfw = other;
	told_twice = 2;
	assert_int_equal(apply(100), NETFW_UNCHANGED);
	assert_int_equal(told_twice, 0);
	assert_int_equal(elements(), 100);
	netfw = mine;
	netfw_close(other);
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

static bool small_buffers;

/** __wrap_setsockopt() - A machine whose net.core.wmem_max is no more than the default. */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (small_buffers && level == SOL_SOCKET && name == SO_SNDBUF)
		return 0;
	if (small_buffers && level == SOL_SOCKET && name == SO_SNDBUFFORCE) {
		errno = EPERM;
		return -1;
	}
	return __real_setsockopt(fd, level, name, value, size);
}

/**
 * test_size() - Beyond the default send buffer it works; beyond what may be sent it is refused, and
 * the old rules stay.
 */
static void test_size(void **state)
{
	unsigned rules;

	(void)state;
	small_buffers = true;
	assert_int_equal(apply(100), NETFW_REPLACED);
	rules = count(NFT_MSG_GETRULE);
	assert_int_equal(apply(MANY), -EMSGSIZE);
	assert_int_equal(error.fault, NETFW_FAULT_SIZE);
	assert_non_null(strstr(error.text, "set net.core.wmem_max to "));
	assert_int_equal(count(NFT_MSG_GETRULE), rules);
	assert_int_equal(elements(), 100);
	/* What still fits is taken as ever. */
	assert_int_equal(apply(101), NETFW_UPDATED);
	small_buffers = false;
	assert_int_equal(apply(MANY), NETFW_UPDATED);
	assert_int_equal(elements(), MANY);
}

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __real_mnl_socket_sendto(const struct mnl_socket *socket, const void *data, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *data, size_t size);

/* How many times the fault happens. */
static int overflows, cuts, interferences;
static struct netfw *interferer;

/** __wrap_recv() - A receive buffer that was too small for the kernel's answers. */
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	if (overflows > 0) {
		overflows--;
		errno = ENOBUFS;
		return -1;
	}
	return __real_recv(fd, buffer, size, flags);
}

static bool is_batch(const void *data)
{
	return ((const struct nlmsghdr *)data)->nlmsg_type == NFNL_MSG_BATCH_BEGIN;
}

/** __wrap_mnl_socket_sendto() - Batches lose their end, or somebody else is a moment faster. */
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *data, size_t size)
{
	if (is_batch(data) && interferences > 0) {
		int left = interferences - 1;

		interferences = 0;
		assert_int_equal(netfw_clear(interferer, "none", &error), 0);
		interferences = left;
	}
	if (is_batch(data) && cuts > 0) {
		const size_t end = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
		ssize_t sent = __real_mnl_socket_sendto(socket, data, size - end);

		cuts--;
		return sent < 0 ? sent : (ssize_t)size;
	}
	return __real_mnl_socket_sendto(socket, data, size);
}

/** test_overflow() - The answers are lost: whether the kernel took it, its state has to tell. */
static void test_overflow(void **state)
{
	(void)state;
	assert_int_equal(apply(10), NETFW_REPLACED);
	overflows = 1;
	assert_int_equal(apply(20), NETFW_UPDATED);
	assert_int_equal(elements(), 20);
	/* Of a table as well. */
	assert_int_equal(netfw_clear(netfw, "virbr1", &error), 0);
	overflows = 1;
	assert_int_equal(apply(10), NETFW_REPLACED);
	assert_int_equal(elements(), 10);
	/* Not taken, and the complaint lost: said, and nothing changed. */
	overflows = cuts = 1;
	assert_int_equal(apply(20), -EIO);
	assert_non_null(strstr(error.text, "the old one is in force"));
	assert_int_equal(elements(), 10);
	/* What it knew of the table is still right. */
	assert_int_equal(apply(10), NETFW_UNCHANGED);
	assert_int_equal(apply(11), NETFW_UPDATED);
}

/**
 * test_rearranged() - For some milliseconds after a change the kernel rearranges a large set, and
 * whoever reads it meanwhile gets some elements twice and others not at all. Nothing may be done
 * because of that.
 */
static void test_rearranged(void **state)
{
	enum { N = 2000, ROUNDS = 100 };
	struct netfw *writer = netfw, *reader = NULL;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(netfw_open("casement", &reader, &error), 0);
		assert_int_equal(netfw_clear(writer, "virbr1", &error), 0);
		netfw = writer;
		assert_int_equal(apply(N), NETFW_REPLACED);
		netfw = reader;
		assert_int_equal(apply(N), NETFW_UNCHANGED);
		assert_int_equal(apply(N), NETFW_UNCHANGED);
		netfw = writer;
		netfw_close(reader);
	}
}

/** test_cut() - A batch without its end is ignored by the kernel without a word. */
static void test_cut(void **state)
{
	(void)state;
	cuts = 1;
	assert_int_equal(apply(10), -EIO);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	assert_int_equal(apply(10), NETFW_REPLACED);
	cuts = 1;
	assert_int_equal(apply(20), -EIO);
	assert_int_equal(elements(), 10);
	assert_int_equal(apply(20), NETFW_UPDATED);
	assert_int_equal(elements(), 20);
}

/** test_interference() - Somebody changes another table between our look and our step. */
static void test_interference(void **state)
{
	(void)state;
	assert_int_equal(netfw_open("somebody", &interferer, &error), 0);
	assert_int_equal(apply(10), NETFW_REPLACED);
	interferences = 3;
	assert_int_equal(apply(20), NETFW_UPDATED);
	assert_int_equal(interferences, 0);
	assert_int_equal(elements(), 20);
	/* However often: in the end it is the whole table, which needs no particular state. */
	interferences = 1000;
	assert_int_equal(apply(30), NETFW_REPLACED);
	assert_true(interferences > 900);
	interferences = 0;
	assert_int_equal(elements(), 30);
	assert_int_equal(apply(30), NETFW_UNCHANGED);
	assert_int_equal(apply(20), NETFW_UPDATED);
	netfw_close(interferer);
}

/**
 * test_expression() - Each one that a kernel may lack is named with its module, from the offset
 * that this kernel gives.
 */
static void test_expression(void **state)
{
	static const char *const modules[][2] = {
		{ "nat", "nft_nat" }, { "masq", "nft_masq" },	 { "fib", "nft_fib_inet" },
		{ "ct", "nft_ct" },   { "lookup", "nf_tables" }, { "dynset", "nf_tables" },
	};
	struct talk_answer answer;
	struct batch batch;
	struct made made;
	char expected[256];

	(void)state;
	build(&batch, &made, 1);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		/* As an attribute of its own, so that no name of a chain is taken for it. */
		struct {
			struct nlattr head;
			char name[16];
		} attribute = { .head.nla_type = NFTA_EXPR_NAME };
		char *name;

		attribute.head.nla_len =
			(uint16_t)(sizeof(attribute.head) + strlen(modules[i][0]) + 1);
		snprintf(attribute.name, sizeof(attribute.name), "%s", modules[i][0]);
		name = memmem(batch.data, batch.length, &attribute, attribute.head.nla_len);
		assert_non_null(name);
		name += sizeof(attribute.head);
		*name = 'X';
		answer = send_batch(&batch);
		*name = modules[i][0][0];
		assert_int_equal(answer.code, -ENOENT);
		assert_int_equal(explain_batch(&batch, &answer, &error), -ENOENT);
		assert_int_equal(error.fault, NETFW_FAULT_KERNEL);
		snprintf(expected, sizeof(expected),
			 "the kernel does not know the nftables expression \"%s\": load the "
			 "module %s on the host (modprobe %s)",
			 modules[i][0], modules[i][1], modules[i][1]);
		assert_string_equal(error.text, expected);
		assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	}
	batch_clear(&batch);
	clear_ruleset(&made);
}

/**
 * test_element() - Of 600 elements in three messages, the kernel's offset names the one that is
 * there already.
 */
static void test_element(void **state)
{
	const struct netfw_rules rules = { .forwards = forwards, .n_forwards = 600 };
	struct talk_answer answer;
	struct ruleset_key key = ruleset_key("casement", &network, NETFW_SOURCE_BRIDGE);
	struct made made = { 0 };
	struct batch batch;

	(void)state;
	assert_int_equal(plan_make(&rules, &made.plan, NULL), 0);
	/* The planner would have found this. */
	made.plan.ports.element[450].first = made.plan.ports.element[7].first;
	made.plan.ports.element[450].guest = 22;
	ruleset_frame(&key, &made.plan, &made.counts, &made.ruleset);
	assert_int_equal(ruleset_add_rules(&made.ruleset), 0);
	batch_init(&batch, &filter.sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &made.ruleset);
	batch_end(&batch);
	answer = send_batch(&batch);
	assert_int_equal(answer.code, -EEXIST);
	assert_int_equal(explain_batch(&batch, &answer, &error), -EEXIST);
	assert_int_equal(error.fault, NETFW_FAULT_FORWARD);
	assert_int_equal(error.forward, 450);
	assert_string_equal(error.text, "forward 451, tcp port 8: the kernel says: File exists");
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	batch_clear(&batch);
	clear_ruleset(&made);
}

/** test_stale() - A transaction that is based on an older state is refused as a whole. */
static void test_stale(void **state)
{
	struct talk_answer answer;
	struct batch batch;
	struct made made;

	(void)state;
	build(&batch, &made, 1);
	batch_set_generation(&batch, 0x7fffffff);
	answer = send_batch(&batch);
	assert_int_equal(answer.code, -ERESTART);
	assert_int_equal(answer.sequence, batch.first);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	batch_clear(&batch);
	clear_ruleset(&made);
}

/** test_counts() - A table that is built anew begins with what the old one had counted. */
static void test_counts(void **state)
{
	static const struct netfw_forward mixed[] = { { IPPROTO_TCP, 10, 19, 10, false },
						      { IPPROTO_TCP, 3389, 3389, 3389, false },
						      { IPPROTO_UDP, 3389, 3389, 3389, false } };
	struct netfw_rules rules = { .forwards = mixed, .n_forwards = 3 };
	const struct netfw_rules none = { 0 };
	struct netfw_count counts[3];
	struct netfw *other = NULL;
	enum netfw_change change;
	struct talk_answer answer;
	struct batch batch;
	struct made made = { 0 };

	(void)state;
	/* As if packets had been there. */
	assert_int_equal(count_push(&made.counts.ports,
				    &(struct count_element){ COUNT_ORIGINAL, IPPROTO_TCP, 3389,
							     3389, 5, 300, 0, 0 }),
			 0);
	assert_int_equal(count_push(&made.counts.ranges,
				    &(struct count_element){ COUNT_REPLY, IPPROTO_TCP, 10, 19, 7,
							     700, 0, 0 }),
			 0);
	make_ruleset(&made, &network, &rules);
	batch_init(&batch, &filter.sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &made.ruleset);
	batch_end(&batch);
	batch_set_generation(&batch, generation());
	answer = send_batch(&batch);
	assert_int_equal(answer.code, 0);

	assert_int_equal(netfw_apply(netfw, &network, &rules, &change, &error), 0);
	assert_int_equal(change, NETFW_UNCHANGED);
	rules.source = NETFW_SOURCE_CLIENT;
	assert_int_equal(netfw_apply(netfw, &network, &rules, &change, &error), 0);
	assert_int_equal(change, NETFW_REPLACED);
	/* Removed, and there again: a counter never goes back. */
	assert_int_equal(netfw_apply(netfw, &network, &none, &change, &error), 0);
	assert_int_equal(netfw_apply(netfw, &network, &rules, &change, &error), 0);
	assert_int_equal(netfw_count(netfw, counts, 3, &error), 0);
	assert_int_equal(counts[0].packets_in, 0);
	assert_int_equal(counts[0].packets_out, 7);
	assert_int_equal(counts[0].bytes_out, 700);
	assert_int_equal(counts[1].packets_in, 5);
	assert_int_equal(counts[1].bytes_in, 300);
	assert_int_equal(counts[1].packets_out + counts[2].packets_in + counts[2].packets_out, 0);
	/* Somebody's flush takes the table; what was read last is where it goes on. */
	assert_int_equal(count(NFT_MSG_GETTABLE), 1);
	assert_int_equal(netfw_open("casement", &other, &error), 0);
	assert_int_equal(netfw_clear(other, "none", &error), 0);
	netfw_close(other);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	assert_int_equal(netfw_count(netfw, counts, 3, &error), -ENOENT);
	assert_int_equal(counts[0].packets_out, 7);
	assert_int_equal(netfw_apply(netfw, &network, &rules, &change, &error), 0);
	assert_int_equal(change, NETFW_REPLACED);
	assert_int_equal(netfw_count(netfw, counts, 3, &error), 0);
	assert_int_equal(counts[0].packets_out, 7);
	assert_int_equal(counts[1].packets_in, 5);
	batch_clear(&batch);
	clear_ruleset(&made);
}

/** test_watch() - Others' changes are heard of, our own are not. */
static void test_watch(void **state)
{
	struct netfw_foreign foreign;
	struct netfw *other = NULL;
	char own_name[16] = "";
	int fd = -1;

	(void)state;
	prctl(PR_GET_NAME, own_name);
	assert_int_equal(netfw_watch(netfw, &fd, &error), 0);
	assert_int_equal(apply(MANY), NETFW_REPLACED);
	assert_false(netfw_foreign_changes(netfw, &foreign));
	assert_int_equal(apply(10), NETFW_UPDATED);
	assert_false(netfw_foreign_changes(netfw, &foreign));
	assert_int_equal(netfw_open("somebody", &other, &error), 0);
	assert_int_equal(netfw_clear(other, "none", &error), 0);
	assert_true(netfw_foreign_changes(netfw, &foreign));
	assert_int_equal(foreign.pid, getpid());
	assert_string_equal(foreign.name, own_name);
	assert_false(netfw_foreign_changes(netfw, &foreign));
	assert_int_equal(apply(10), NETFW_UNCHANGED);
	netfw_close(other);
}

/** test_link() - Bridge and addresses, twice, then nothing; lo and the rest are left alone. */
static void test_link(void **state)
{
	struct netfw_wish wish = { .bridge = "virbr1",
				   .prefix = 24,
				   .guest_mac = { 0x52, 0x54, 0, 1, 2, 3 } };
	struct netfw_network chosen;
	unsigned index;

	(void)state;
	wish.subnet.s_addr = inet_addr("192.168.121.0");
	assert_int_equal(netfw_choose(netfw, &wish, &chosen, &error), 0);
	assert_int_equal(netfw_link_up(netfw, &chosen, &error), 0);
	index = if_nametoindex("virbr1");
	assert_int_not_equal(index, 0);
	assert_int_equal(netfw_choose(netfw, &wish, &chosen, &error), 0);
	assert_int_equal(netfw_link_up(netfw, &chosen, &error), 0);
	assert_int_equal(if_nametoindex("virbr1"), index);
	assert_int_equal(netfw_clear(netfw, "virbr1", &error), 0);
	assert_int_equal(if_nametoindex("virbr1"), 0);
}

static void test_table_names(void **state)
{
	struct netfw *other = NULL;

	(void)state;
	assert_int_equal(netfw_open("", &other, &error), -EINVAL);
	assert_int_equal(netfw_open("a-name-of-more-than-31-characters", &other, &error), -EINVAL);
	assert_null(other);
	netfw_close(NULL);
}

/** test_descriptors() - Every socket is closed on exec, and none is left open. */
static void test_descriptors(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
	struct netfw *other = NULL;

	(void)state;
	assert_true(before >= 0);
	close(before);
	assert_int_equal(netfw_open("other", &other, &error), 0);
	for (int fd = before; fd < before + 2; fd++)
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	netfw_close(other);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(after, before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_check_keeps_nothing),
		TEST(test_apply_and_clear),
		TEST(test_unchanged),
		TEST(test_growing),
		TEST(test_size),
		TEST(test_overflow),
		TEST(test_rearranged),
		TEST(test_cut),
		TEST(test_interference),
		TEST(test_expression),
		TEST(test_element),
		TEST(test_stale),
		TEST(test_counts),
		TEST(test_watch),
		TEST(test_link),
		TEST(test_table_names),
		TEST(test_descriptors),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
