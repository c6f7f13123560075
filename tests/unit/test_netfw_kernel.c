/*
 * The library against the real kernel, in a network namespace of a user namespace of its own: needs
 * no root, touches nothing. What is faulty is made faulty here, in the plan or in the batch's
 * bytes; the kernel is to notice and the library to explain.
 */
#include "lib/util.h"
#include "netfw/encode.h"
#include "netfw/explain.h"
#include "netfw/netfw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
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
						      (uint16_t)(i + 1), 3389 };
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
	struct nlmsghdr *message = talk_message(&filter, buffer,
						(uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), 0);
	unsigned n = 0;

	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	assert_int_equal(talk_dump(&filter, message, on_table, &n), 0);
	return n;
}

/** send_batch() - Send a batch that is based on no particular state. */
static struct talk_answer send_batch(struct batch *batch)
{
	struct talk_answer answer = { 0 };

	assert_int_equal(batch->error, 0);
	assert_int_equal(talk_batch(&filter, batch->data, batch->length, &answer), 0);
	return answer;
}

static void build(struct batch *batch, struct ruleset *ruleset, const struct plan *plan)
{
	assert_int_equal(ruleset_make("casement", &network, plan, ruleset), 0);
	batch_init(batch, &filter.sequence);
	batch_begin(batch);
	encode_ruleset(batch, ruleset);
	batch_end(batch);
}

static void test_check_keeps_nothing(void **state)
{
	(void)state;
	assert_int_equal(netfw_check(netfw, &network, forwards, MANY, &error), 0);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
}

static void test_apply_and_clear(void **state)
{
	unsigned rules;

	(void)state;
	assert_int_equal(netfw_apply(netfw, &network, forwards, 1, &error), 0);
	assert_int_equal(count(NFT_MSG_GETTABLE), 1);
	rules = count(NFT_MSG_GETRULE);
	assert_true(rules > 15);
	assert_int_equal(netfw_apply(netfw, &network, forwards, 2, &error), 0);
	assert_int_equal(netfw_check(netfw, &network, forwards, 2, &error), 0);
	assert_int_equal(count(NFT_MSG_GETTABLE), 1);
	assert_int_equal(count(NFT_MSG_GETRULE), rules);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netfw_clear(netfw, "virbr1", &error), 0);
		assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	}
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
	assert_int_equal(netfw_apply(netfw, &network, forwards, 100, &error), 0);
	rules = count(NFT_MSG_GETRULE);
	assert_int_equal(netfw_apply(netfw, &network, forwards, MANY, &error), -EMSGSIZE);
	assert_int_equal(error.fault, NETFW_FAULT_SIZE);
	assert_non_null(strstr(error.text, "set net.core.wmem_max to "));
	assert_int_equal(count(NFT_MSG_GETRULE), rules);
	small_buffers = false;
	assert_int_equal(netfw_apply(netfw, &network, forwards, MANY, &error), 0);
}

/**
 * test_expression() - One that no kernel knows is named, from the offset that this kernel gives.
 */
static void test_expression(void **state)
{
	struct ruleset ruleset;
	struct talk_answer answer;
	struct plan plan;
	struct batch batch;
	char *name;

	(void)state;
	assert_int_equal(plan_make(forwards, 1, &plan, NULL), 0);
	build(&batch, &ruleset, &plan);
	name = memmem(batch.data, batch.length, "masq", 5);
	assert_non_null(name);
	name[3] = 'k';
	answer = send_batch(&batch);
	assert_int_equal(answer.code, -ENOENT);
	assert_int_equal(explain_batch(&batch, &plan, &answer, &error), -ENOENT);
	assert_int_equal(error.fault, NETFW_FAULT_KERNEL);
	assert_string_equal(
		error.text,
		"the kernel does not know the nftables expression \"mask\": load the module "
		"nf_tables on the host (modprobe nf_tables)");
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	batch_clear(&batch);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
}

/**
 * test_element() - Of 600 elements in three messages, the kernel's offset names the one that is
 * there already.
 */
static void test_element(void **state)
{
	struct ruleset ruleset;
	struct talk_answer answer;
	struct plan plan;
	struct batch batch;

	(void)state;
	assert_int_equal(plan_make(forwards, 600, &plan, NULL), 0);
	/* The planner would have found this. */
	plan.ports[450].first = plan.ports[7].first;
	plan.ports[450].guest = 22;
	build(&batch, &ruleset, &plan);
	answer = send_batch(&batch);
	assert_int_equal(answer.code, -EEXIST);
	assert_int_equal(explain_batch(&batch, &plan, &answer, &error), -EEXIST);
	assert_int_equal(error.fault, NETFW_FAULT_FORWARD);
	assert_int_equal(error.forward, 450);
	assert_string_equal(error.text, "forward 451, tcp port 8: the kernel says: File exists");
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	batch_clear(&batch);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
}

/** test_stale() - A transaction that is based on an older state is refused as a whole. */
static void test_stale(void **state)
{
	struct ruleset ruleset;
	struct talk_answer answer;
	struct plan plan;
	struct batch batch;

	(void)state;
	assert_int_equal(plan_make(forwards, 1, &plan, NULL), 0);
	build(&batch, &ruleset, &plan);
	batch_set_generation(&batch, 0x7fffffff);
	answer = send_batch(&batch);
	assert_int_equal(answer.code, -ERESTART);
	assert_int_equal(answer.sequence, batch.first);
	assert_int_equal(count(NFT_MSG_GETTABLE), 0);
	batch_clear(&batch);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
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
		TEST(test_size),
		TEST(test_expression),
		TEST(test_element),
		TEST(test_stale),
		TEST(test_link),
		TEST(test_table_names),
		TEST(test_descriptors),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
