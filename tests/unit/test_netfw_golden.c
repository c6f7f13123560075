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
#include "netfw_fixture.h"

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
	{ IPPROTO_TCP, 3389, 3389, 3389, false },   { IPPROTO_UDP, 3389, 3389, 3389, false },
	{ IPPROTO_TCP, 15985, 15985, 5985, false }, { IPPROTO_TCP, 40000, 40010, 40000, false },
	{ IPPROTO_UDP, 4000, 4001, 5000, false },
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
	case NFNL_MSG_BATCH_BEGIN: return "BATCH_BEGIN";
	case NFNL_MSG_BATCH_END: return "BATCH_END";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE: return "NEWTABLE";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE: return "DELTABLE";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET: return "NEWSET";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN: return "NEWCHAIN";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM: return "NEWSETELEM";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM: return "DELSETELEM";
	case NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE: return "NEWRULE";
	default: return "?";
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

/* Counters of a table that is built anew: both directions of a port and of the range. */
static const struct count_element counted_ports[] = {
	{ COUNT_ORIGINAL, IPPROTO_TCP, 3389, 3389, 5, 300, 0, 0 },
	{ COUNT_REPLY, IPPROTO_TCP, 3389, 3389, 4, 1 << 20, 0, 0 },
};
static const struct count_element counted_ranges[] = {
	{ COUNT_ORIGINAL, IPPROTO_TCP, 40000, 40010, 1, 60, 0, 0 },
	{ COUNT_REPLY, IPPROTO_TCP, 40000, 40010, 0, 0, 0, 0 },
};

/** make() - The example. */
static void make(struct made *made, enum netfw_ipv6 ipv6, size_t n_forwards,
		 enum netfw_source source, bool counted)
{
	struct netfw_network network = example(ipv6);
	const struct netfw_rules rules = { .forwards = all_kinds,
					   .n_forwards = n_forwards,
					   .source = source };

	*made = (struct made){ 0 };
	for (size_t i = 0; counted && i < ARRAY_SIZE(counted_ports); i++) {
		assert_int_equal(count_push(&made->counts.ports, &counted_ports[i]), 0);
		assert_int_equal(count_push(&made->counts.ranges, &counted_ranges[i]), 0);
	}
	make_ruleset(made, &network, &rules);
}

/** dump_batch() - Every message of @batch, whose first one has the number 42. */
static void dump_batch(const struct batch *batch, FILE *out)
{
	assert_int_equal(batch->error, 0);
	for (uint32_t i = 0; i < batch->n_objects; i++) {
		const struct nlmsghdr *message;
		const struct batch_object *object = batch_find(batch, 42 + i, &message);

		assert_non_null(object);
		assert_int_equal(message->nlmsg_seq, 42 + i);
		dump_message(message, object, out);
	}
}

static void golden_messages(const char *name, enum netfw_source source)
{
	autofree char *text = NULL;
	uint32_t sequence = 41;
	struct batch batch;
	struct made made;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&made, NETFW_IPV6_ON, ARRAY_SIZE(all_kinds), source, true);
	batch_init(&batch, &sequence);
	batch_begin(&batch);
	encode_ruleset(&batch, &made.ruleset);
	batch_end(&batch);
	assert_int_equal(sequence, 41 + batch.n_objects);
	dump_batch(&batch, out);
	assert_int_equal(fclose(out), 0);
	assert_golden(name, text);
	batch_clear(&batch);
	clear_ruleset(&made);
}

static void test_messages(void **state)
{
	(void)state;
	golden_messages("messages.txt", NETFW_SOURCE_BRIDGE);
	golden_messages("messages-client.txt", NETFW_SOURCE_CLIENT);
}

/** test_change() - Elements that come and go: of a set that is there already. */
static void test_change(void **state)
{
	autofree char *text = NULL;
	uint32_t sequence = 41;
	struct batch batch;
	struct made made;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	make(&made, NETFW_IPV6_OFF, ARRAY_SIZE(all_kinds), NETFW_SOURCE_BRIDGE, true);
	batch_init(&batch, &sequence);
	batch_begin(&batch);
	for (size_t i = 0; i < made.ruleset.n_sets; i++) {
		const struct set *set = &made.ruleset.sets[i];
		const struct plan_list *elements = ruleset_map(&made.ruleset, set);

		for (uint16_t type = NFT_MSG_DELSETELEM;; type = NFT_MSG_NEWSETELEM) {
			if (set_is_map(set))
				encode_elements(&batch, &made.ruleset, set, type, elements->element,
						1);
			else if (set_has_ranges(set))
				encode_counts(&batch, &made.ruleset, set, type, counted_ranges, 1);
			if (type == NFT_MSG_NEWSETELEM)
				break;
		}
	}
	batch_end(&batch);
	dump_batch(&batch, out);
	assert_int_equal(fclose(out), 0);
	assert_golden("change.txt", text);
	batch_clear(&batch);
	clear_ruleset(&made);
}

static void golden_text(const char *name, enum netfw_ipv6 ipv6, size_t n_forwards,
			enum netfw_source source, bool counted)
{
	autofree char *text = NULL;
	struct made made;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&made, ipv6, n_forwards, source, counted);
	print_ruleset(&made.ruleset, out);
	assert_int_equal(fclose(out), 0);
	assert_golden(name, text);
	clear_ruleset(&made);
}

static void test_text(void **state)
{
	(void)state;
	golden_text("table.nft", NETFW_IPV6_ON, ARRAY_SIZE(all_kinds), NETFW_SOURCE_BRIDGE, true);
	golden_text("table-client.nft", NETFW_IPV6_OFF, ARRAY_SIZE(all_kinds), NETFW_SOURCE_CLIENT,
		    false);
	golden_text("table-ipv4.nft", NETFW_IPV6_OFF, 2, NETFW_SOURCE_BRIDGE, false);
	golden_text("table-empty.nft", NETFW_IPV6_NONE, 0, NETFW_SOURCE_BRIDGE, false);
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
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_dnsmasq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
