/*
 * The parser of port forwards.
 *
 * In this order: the text is cut into entries; each entry is read and its mistakes reported; the
 * result is sorted by protocol and port; neighbours that overlap are reported. A mistake does not
 * end the work: whoever wrote a thousand entries learns about all the bad ones in one run. Nothing
 * is returned unless all are good.
 */
#include "lib/forward.h"

#include "lib/util.h"

#include <errno.h>
#include <stdarg.h>

#define SEPARATORS " \t\r\n\v\f,"
#define PORT_MAX 65535

/* How much of an entry a message quotes: enough for every entry that is well-formed. */
#define QUOTE_MAX 40

/* One entry of the list, as text. */
struct entry {
	const char *text;
	size_t length;
	size_t position; /* as people count: the first is 1 */
};

/* A forward and where it comes from; an entry without a protocol makes two. */
struct item {
	struct forward forward;
	size_t entry; /* index */
};

/* Two entries that listen on one port. */
struct conflict {
	size_t later, earlier; /* indices of entries, later > earlier */
	uint16_t port;
	uint8_t proto;
};

struct parser {
	void (*report)(void *context, const char *message);
	void *context;
	bool failed;
	struct entry *entries;
	size_t n_entries;
	struct item *items; /* room for two per entry */
	size_t n_items;
	struct conflict *conflicts; /* room for one per item */
	size_t n_conflicts;
};

struct span {
	uint16_t first, last;
};

/** quote() - An entry as a message shows it: short, and without bytes that would disturb a terminal
 * or a log. */
static const char *quote(const struct entry *entry, char buffer[static QUOTE_MAX + 4])
{
	size_t length = entry->length < QUOTE_MAX ? entry->length : QUOTE_MAX;

	for (size_t i = 0; i < length; i++) {
		char c = entry->text[i];

		buffer[i] = (char)(c >= ' ' && c <= '~' ? c : '?');
	}
	memcpy(buffer + length, "...", 4);
	if (length == entry->length)
		buffer[length] = '\0';
	return buffer;
}

static void mistake(struct parser *parser, const struct entry *entry, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** mistake() - Report one sentence about @entry. */
static void mistake(struct parser *parser, const struct entry *entry, const char *format, ...)
{
	char quoted[QUOTE_MAX + 4], reason[160], message[256];
	va_list args;

	parser->failed = true;
	if (!parser->report)
		return;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(message, sizeof(message), "entry %zu, \"%s\": %s", entry->position,
		 quote(entry, quoted), reason);
	parser->report(parser->context, message);
}

/** split() - Cut @text into entries. Return: 0 or -ENOMEM. */
static int split(struct parser *parser, const char *text)
{
	size_t n = 0;

	for (const char *p = text + strspn(text, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
		p += strcspn(p, SEPARATORS);
		n++;
	}
	/* One more than needed, so that an empty list is no special case. */
	parser->entries = calloc(n + 1, sizeof(*parser->entries));
	parser->items = calloc(2 * n + 1, sizeof(*parser->items));
	parser->conflicts = calloc(2 * n + 1, sizeof(*parser->conflicts));
	if (!parser->entries || !parser->items || !parser->conflicts)
		return -ENOMEM;

	for (const char *p = text + strspn(text, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
		struct entry *entry = &parser->entries[parser->n_entries++];

		entry->text = p;
		entry->length = strcspn(p, SEPARATORS);
		entry->position = parser->n_entries;
		p += entry->length;
	}
	return 0;
}

/**
 * read_port() - Read one port number.
 * @part: its text, @length bytes; the rest of the entry follows
 * @what: what it is, for the message
 *
 * Return: the port, or 0 after a mistake was reported.
 */
static uint16_t read_port(struct parser *parser, const struct entry *entry, const char *part,
			  size_t length, const char *what)
{
	struct entry shown = { .text = part, .length = length };
	char quoted[QUOTE_MAX + 4];
	unsigned port = 0;

	if (length == 0) {
		mistake(parser, entry, "%s is missing", what);
		return 0;
	}
	for (size_t i = 0; i < length; i++) {
		if (part[i] < '0' || part[i] > '9') {
			mistake(parser, entry, "\"%s\" is not a port number",
				quote(&shown, quoted));
			return 0;
		}
		if (port <= PORT_MAX)
			port = port * 10 + (unsigned)(part[i] - '0');
	}
	if (port == 0 || port > PORT_MAX) {
		mistake(parser, entry, "\"%s\" is not a port; ports are 1 to %d",
			quote(&shown, quoted), PORT_MAX);
		return 0;
	}
	return (uint16_t)port;
}

/**
 * read_span() - Read `FIRST` or `FIRST-LAST`.
 * @side: whose ports they are, for the message
 *
 * Return: false after a mistake was reported.
 */
static bool read_span(struct parser *parser, const struct entry *entry, const char *part,
		      size_t length, const char *side, struct span *ret_span)
{
	const char *dash = memchr(part, '-', length);
	size_t head = dash ? (size_t)(dash - part) : length;
	struct span span;
	char what[64];

	snprintf(what, sizeof(what), dash ? "the first port of the %s range" : "the %s port", side);
	span.first = read_port(parser, entry, part, head, what);
	if (!span.first)
		return false;
	span.last = span.first;
	if (dash) {
		snprintf(what, sizeof(what), "the last port of the %s range", side);
		span.last = read_port(parser, entry, dash + 1, length - head - 1, what);
		if (!span.last)
			return false;
	}
	if (span.last < span.first) {
		mistake(parser, entry, "the %srange ends before it begins",
			streq(side, "guest") ? "guest " : "");
		return false;
	}
	*ret_span = span;
	return true;
}

/**
 * read_guest() - Read what stands behind the colon and compare it with the listening side.
 *
 * Return: false after a mistake was reported.
 */
static bool read_guest(struct parser *parser, const struct entry *entry, const char *part,
		       size_t length, const struct span *listen, uint16_t *ret_first)
{
	unsigned n_listen = listen->last - listen->first + 1u, n_guest;
	struct span guest;

	if (!read_span(parser, entry, part, length, "guest", &guest))
		return false;
	n_guest = guest.last - guest.first + 1u;
	/*
	 * A single guest port behind a range is where the range begins, `5000-5010:6000`; anything
	 * else must match.
	 */
	if (memchr(part, '-', length) && n_guest != n_listen) {
		mistake(parser, entry,
			"%u listening port%s cannot lead to %u guest port%s; make both ranges "
			"equally long",
			n_listen, n_listen == 1 ? "" : "s", n_guest, n_guest == 1 ? "" : "s");
		return false;
	}
	if (guest.first + n_listen - 1 > PORT_MAX) {
		mistake(parser, entry, "the guest range would end at %u; ports are 1 to %d",
			guest.first + n_listen - 1, PORT_MAX);
		return false;
	}
	*ret_first = guest.first;
	return true;
}

/** add_item() - One forward of @entry. */
static void add_item(struct parser *parser, const struct entry *entry,
		     const struct forward *forward, uint8_t proto)
{
	struct item *item = &parser->items[parser->n_items++];

	item->forward = *forward;
	item->forward.proto = proto;
	item->entry = entry->position - 1;
}

/** read_entry() - Read one entry: protocol, listening side, guest side. */
static void read_entry(struct parser *parser, const struct entry *entry)
{
	const char *slash = memchr(entry->text, '/', entry->length);
	size_t length = slash ? (size_t)(slash - entry->text) : entry->length;
	size_t n_proto = slash ? entry->length - length - 1 : 0;
	struct entry proto = { .text = slash ? slash + 1 : NULL, .length = n_proto };
	const char *colon = memchr(entry->text, ':', length);
	size_t n_listen = colon ? (size_t)(colon - entry->text) : length;
	bool tcp = !slash || (n_proto == 3 && memcmp(proto.text, "tcp", 3) == 0);
	bool udp = !slash || (n_proto == 3 && memcmp(proto.text, "udp", 3) == 0);
	struct forward forward = { 0 };
	struct span listen;

	if (slash && n_proto == 0) {
		mistake(parser, entry,
			"the protocol is missing; append /tcp or /udp, or nothing for both");
		return;
	}
	if (!tcp && !udp) {
		char quoted[QUOTE_MAX + 4];

		mistake(parser, entry,
			"unknown protocol \"%s\"; it is tcp or udp, or none for both",
			quote(&proto, quoted));
		return;
	}
	if (!read_span(parser, entry, entry->text, n_listen, "listening", &listen))
		return;
	forward.listen_first = listen.first;
	forward.listen_last = listen.last;
	forward.guest_first = listen.first;
	if (colon && !read_guest(parser, entry, colon + 1, length - n_listen - 1, &listen,
				 &forward.guest_first))
		return;
	if (tcp)
		add_item(parser, entry, &forward, IPPROTO_TCP);
	if (udp)
		add_item(parser, entry, &forward, IPPROTO_UDP);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->forward.proto != y->forward.proto)
		return x->forward.proto < y->forward.proto ? -1 : 1;
	if (x->forward.listen_first != y->forward.listen_first)
		return x->forward.listen_first < y->forward.listen_first ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static int compare_conflicts(const void *a, const void *b)
{
	const struct conflict *x = a, *y = b;

	if (x->later != y->later)
		return x->later < y->later ? -1 : 1;
	if (x->earlier != y->earlier)
		return x->earlier < y->earlier ? -1 : 1;
	return x->proto < y->proto ? -1 : x->proto > y->proto;
}

/** find_conflicts() - Compare each sorted item with the one before it that reaches furthest. */
static void find_conflicts(struct parser *parser)
{
	const struct item *furthest = NULL;

	for (size_t i = 0; i < parser->n_items; i++) {
		const struct item *item = &parser->items[i];
		const struct forward *f = &item->forward;

		if (furthest && furthest->forward.proto == f->proto &&
		    furthest->forward.listen_last >= f->listen_first) {
			struct conflict *conflict = &parser->conflicts[parser->n_conflicts++];

			conflict->later =
				item->entry > furthest->entry ? item->entry : furthest->entry;
			conflict->earlier =
				item->entry > furthest->entry ? furthest->entry : item->entry;
			conflict->port = f->listen_first;
			conflict->proto = f->proto;
			if (furthest->forward.listen_last >= f->listen_last)
				continue;
		}
		furthest = item;
	}
}

/** report_conflicts() - One sentence for each pair of entries, in the order of the later one. */
static void report_conflicts(struct parser *parser)
{
	for (size_t i = 0; i < parser->n_conflicts; i++) {
		const struct conflict *c = &parser->conflicts[i];
		const struct entry *earlier = &parser->entries[c->earlier];
		struct forward shown = { .proto = c->proto };
		char quoted[QUOTE_MAX + 4];

		/* The same two entries for udp as for tcp: said already. */
		if (i > 0 && c->later == c[-1].later && c->earlier == c[-1].earlier)
			continue;
		mistake(parser, &parser->entries[c->later],
			"%s port %u is forwarded already by entry %zu, \"%s\"; a port leads to one "
			"place only",
			forward_proto_name(&shown), c->port, earlier->position,
			quote(earlier, quoted));
	}
}

/** parse() - Everything but the ownership of @parser's arrays. */
static int parse(struct parser *parser, const char *text, struct forward **ret_forwards,
		 size_t *ret_n)
{
	struct forward *forwards;
	int r;

	r = split(parser, text);
	if (r < 0)
		return r;
	for (size_t i = 0; i < parser->n_entries; i++)
		read_entry(parser, &parser->entries[i]);
	qsort(parser->items, parser->n_items, sizeof(*parser->items), compare_items);
	find_conflicts(parser);
	qsort(parser->conflicts, parser->n_conflicts, sizeof(*parser->conflicts),
	      compare_conflicts);
	report_conflicts(parser);
	if (parser->failed)
		return -EINVAL;

	forwards = calloc(parser->n_items + 1, sizeof(*forwards));
	if (!forwards)
		return -ENOMEM;
	for (size_t i = 0; i < parser->n_items; i++)
		forwards[i] = parser->items[i].forward;
	*ret_forwards = forwards;
	*ret_n = parser->n_items;
	return 0;
}

int forwards_parse(const char *text, void (*report)(void *context, const char *message),
		   void *context, struct forward **ret_forwards, size_t *ret_n)
{
	struct parser parser = { .report = report, .context = context };
	int r;

	r = parse(&parser, text, ret_forwards, ret_n);
	free(parser.entries);
	free(parser.items);
	free(parser.conflicts);
	return r;
}

const char *forward_proto_name(const struct forward *forward)
{
	return forward->proto == IPPROTO_TCP ? "tcp" : "udp";
}

/** span_text() - "FIRST" or "FIRST-LAST". */
static const char *span_text(unsigned first, unsigned last, char buffer[static 12])
{
	/* The masks tell the compiler that eleven characters are always enough. */
	if (first == last)
		snprintf(buffer, 12, "%u", first & PORT_MAX);
	else
		snprintf(buffer, 12, "%u-%u", first & PORT_MAX, last & PORT_MAX);
	return buffer;
}

const char *forward_listen_text(const struct forward *forward, char buffer[static 12])
{
	return span_text(forward->listen_first, forward->listen_last, buffer);
}

const char *forward_guest_text(const struct forward *forward, char buffer[static 12])
{
	unsigned more = (unsigned)(forward->listen_last - forward->listen_first);

	return span_text(forward->guest_first, forward->guest_first + more, buffer);
}
