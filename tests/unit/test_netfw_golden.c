/*
 * Golden files: the bytes of every message, the text of the table, dnsmasq's configuration.
 *
 * Netlink has no documented form of a rule, so the bytes are held fast here; tests/netfw compares
 * the same rules with what nft itself compiles. After an intended change: GOLDEN_UPDATE=1 meson
 * test, and read the difference.
 *
 * Numbers in host order are those of a little-endian machine.
 */
#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/dnsmasq.h"
#include "netfw/encode.h"
#include "netfw/print.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t guest_mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

/* Every kind of forward: a port, a remap, a range, a shifted range. */
static const struct netfw_forward all_kinds[] = {
	{ IPPROTO_TCP, 3389, 3389, 3389 },   { IPPROTO_UDP, 3389, 3389, 3389 },
	{ IPPROTO_TCP, 15985, 15985, 5985 }, { IPPROTO_TCP, 40000, 40010, 40000 },
	{ IPPROTO_UDP, 4000, 4001, 5000 },
};

static struct netfw_network example(enum netfw_ipv6 ipv6)
{
	struct netfw_network network = {
		.bridge = "virbr1", .prefix = 24, .mtu = 1450, .ipv6 = ipv6
	};

	network.address.s_addr = inet_addr("192.168.121.1");
	network.guest.s_addr = inet_addr("192.168.121.68");
	inet_pton(AF_INET6, "fd00:121::1", &network.address6);
	inet_pton(AF_INET6, "fd00:121::44", &network.guest6);
	network.prefix6 = 64;
	return network;
}

/** read_golden() - The whole file, or NULL. */
static char *read_golden(const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (file && getdelim(&text, &size, '\0', file) >= 0)
		return text;
	free(text);
	return NULL;
}

/** assert_golden() - Compare @text with the file @name line by line. */
static void assert_golden(const char *name, const char *text)
{
	autofree char *golden = NULL;
	char path[512];
	size_t at = 0;
	unsigned line = 1;

	snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIRECTORY, name);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		assert_true(fputs(text, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	golden = read_golden(path);
	if (!golden)
		fail_msg("%s cannot be read", path);
	while (text[at] && text[at] == golden[at])
		line += text[at++] == '\n';
	if (text[at] == golden[at])
		return;
	while (at && text[at - 1] != '\n')
		at--;
	fail_msg("%s:%u differs\n  there: %.*s\n  here:  %.*s", path, line,
		 (int)strcspn(golden + at, "\n"), golden + at, (int)strcspn(text + at, "\n"),
		 text + at);
}

/** is_text() - At least one printable character and exactly one NUL, at the end. */
static bool is_text(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i + 1 < length; i++) {
		if (!isprint(bytes[i]))
			return false;
	}
	return length > 1 && bytes[length - 1] == 0;
}

/** dump_attr() - `TYPE{...}`, `TYPE="text"` or `TYPE=hexadecimal`. */
static void dump_attr(const struct nlattr *attr, FILE *out)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);
	size_t length = mnl_attr_get_payload_len(attr);
	const struct nlattr *nested = NULL;

	fprintf(out, " %u", mnl_attr_get_type(attr));
	if (attr->nla_type & NLA_F_NESTED) {
		fputc('{', out);
		while ((nested = attr_next_nested(attr, nested)))
			dump_attr(nested, out);
		fputs(" }", out);
	} else if (is_text(bytes, length)) {
		fprintf(out, "=\"%s\"", (const char *)bytes);
	} else {
		fputc('=', out);
		for (size_t i = 0; i < length; i++)
			fprintf(out, "%02x", bytes[i]);
	}
}

/**
 * dump_list() - Each member of a list of attributes on a line of its own; expressions by their
 * names.
 */
static void dump_list(const struct nlattr *list, FILE *out)
{
	const struct nlattr *member = NULL, *parts[NFTA_EXPR_DATA + 1], *attr = NULL;

	while ((member = attr_next_nested(list, member))) {
		attr_index_nested(member, parts, ARRAY_SIZE(parts));
		fprintf(out, "\n   ");
		if (parts[NFTA_EXPR_NAME] && !(parts[NFTA_EXPR_NAME]->nla_type & NLA_F_NESTED)) {
			fprintf(out, " %s", mnl_attr_get_str(parts[NFTA_EXPR_NAME]));
			while (parts[NFTA_EXPR_DATA] &&
			       (attr = attr_next_nested(parts[NFTA_EXPR_DATA], attr)))
				dump_attr(attr, out);
		} else {
			while ((attr = attr_next_nested(member, attr)))
				dump_attr(attr, out);
		}
	}
}

static const char *type_name(const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case NFNL_MSG_BATCH_BEGIN:
		return "BATCH_BEGIN";
	case NFNL_MSG_BATCH_END:
		return "BATCH_END";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE:
		return "NEWTABLE";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE:
		return "DELTABLE";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET:
		return "NEWSET";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN:
		return "NEWCHAIN";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM:
		return "NEWSETELEM";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE:
		return "NEWRULE";
	default:
		return "?";
	}
}

/** dump_message() - Type, flags, family header, attributes; what it is about as a comment. */
static void dump_message(const struct nlmsghdr *message, const struct batch_object *object,
			 FILE *out)
{
	const struct nfgenmsg *general = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr = NULL;
	size_t length = mnl_nlmsg_get_payload_len(message) - sizeof(*general);

	if (object->kind == BATCH_RULE)
		fprintf(out, "# %s\n", object->text);
	fprintf(out, "%s flags=%04x family=%u res_id=%04x", type_name(message),
		message->nlmsg_flags, general->nfgen_family, ntohs(general->res_id));
	while ((attr = attr_next(general + 1, length, attr))) {
		uint16_t type = mnl_attr_get_type(attr);

		if ((object->kind == BATCH_RULE && type == NFTA_RULE_EXPRESSIONS) ||
		    (object->kind == BATCH_ELEMENTS && type == NFTA_SET_ELEM_LIST_ELEMENTS))
			dump_list(attr, out);
		else
			dump_attr(attr, out);
	}
	fputc('\n', out);
}

/** make() - Plan and ruleset of the example. */
static void make(struct plan *plan, struct ruleset *ruleset, enum netfw_ipv6 ipv6,
		 size_t n_forwards)
{
	struct netfw_network network = example(ipv6);

	assert_int_equal(plan_make(all_kinds, n_forwards, plan, NULL), 0);
	assert_int_equal(ruleset_make("casement", &network, plan, ruleset), 0);
}

static void test_messages(void **state)
{
	autofree char *text = NULL;
	uint32_t sequence = 41;
	struct ruleset ruleset;
	struct batch batch;
	struct plan plan;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	make(&plan, &ruleset, NETFW_IPV6_ON, ARRAY_SIZE(all_kinds));
	batch_init(&batch, &sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &ruleset);
	batch_end(&batch);
	assert_int_equal(batch.error, 0);
	assert_int_equal(sequence, 41 + batch.n_objects);
	for (uint32_t i = 0; i < batch.n_objects; i++) {
		const struct nlmsghdr *message;
		const struct batch_object *object = batch_find(&batch, 42 + i, &message);

		assert_non_null(object);
		assert_int_equal(message->nlmsg_seq, 42 + i);
		dump_message(message, object, out);
	}
	assert_int_equal(fclose(out), 0);
	assert_golden("messages.txt", text);
	batch_clear(&batch);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
}

static void golden_text(const char *name, enum netfw_ipv6 ipv6, size_t n_forwards)
{
	autofree char *text = NULL;
	struct ruleset ruleset;
	struct plan plan;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&plan, &ruleset, ipv6, n_forwards);
	print_ruleset(&ruleset, out);
	assert_int_equal(fclose(out), 0);
	assert_golden(name, text);
	ruleset_clear(&ruleset);
	plan_clear(&plan);
}

static void test_text(void **state)
{
	(void)state;
	golden_text("table.nft", NETFW_IPV6_ON, ARRAY_SIZE(all_kinds));
	golden_text("table-ipv4.nft", NETFW_IPV6_OFF, 2);
	golden_text("table-empty.nft", NETFW_IPV6_NONE, 0);
}

static void golden_dnsmasq(const char *name, enum netfw_ipv6 ipv6, const char *user)
{
	struct netfw_network network = example(ipv6);
	struct dnsmasq_options options = { &network, guest_mac, "/run/casement/dnsmasq.leases",
					   user, user ? "nogroup" : NULL };
	autofree char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	dnsmasq_print(&options, out);
	assert_int_equal(fclose(out), 0);
	assert_golden(name, text);
}

static void test_dnsmasq(void **state)
{
	(void)state;
	golden_dnsmasq("dnsmasq.conf", NETFW_IPV6_OFF, NULL);
	golden_dnsmasq("dnsmasq-ipv6.conf", NETFW_IPV6_ON, "dnsmasq");
	golden_dnsmasq("dnsmasq-ipv6-no-forwarding.conf", NETFW_IPV6_NO_FORWARDING, "dnsmasq");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_dnsmasq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
