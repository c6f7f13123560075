/*
 * The parser of port forwards.
 *
 * In this order: the text is cut into entries; each entry is read and its mistakes reported; the
 * result is sorted by protocol and port; neighbours that overlap are reported. Nothing is returned
 * unless all are good.
 */
#include "lib/forward.h"

#include "lib/portlist.h"
#include "lib/util.h"

#include <errno.h>

/* Two entries that listen on one port. */
struct conflict {
	unsigned later, earlier;       /* places of entries, later > earlier */
	const struct forward *forward; /* it begins with the port */
};

/**
 * read_guest() - Read what stands behind the colon and compare it with the listening side.
 *
 * Return: false after a mistake was reported.
 */
static bool read_guest(struct portlist *list, const struct portlist_entry *entry, const char *part,
		       size_t length, const struct portlist_span *listen, uint16_t *ret_first)
{
	unsigned n_listen = listen->last - listen->first + 1u, n_guest;
	struct portlist_span guest;

	if (!portlist_read_span(list, entry, part, length, "guest ", &guest))
		return false;
	n_guest = guest.last - guest.first + 1u;
	/*
	 * A single guest port behind a range is where the range begins, `5000-5010:6000`; anything
	 * else must match.
	 */
	if (memchr(part, '-', length) && n_guest != n_listen) {
		portlist_mistake(list, entry,
				 "%u listening port%s cannot lead to %u guest port%s; make both "
				 "ranges equally long",
				 n_listen, n_listen == 1 ? "" : "s", n_guest,
				 n_guest == 1 ? "" : "s");
		return false;
	}
	if (guest.first + n_listen - 1 > PORT_MAX) {
		portlist_mistake(list, entry, "the guest range would end at %u; ports are 1 to %d",
				 guest.first + n_listen - 1, PORT_MAX);
		return false;
	}
	*ret_first = guest.first;
	return true;
}

/** says_all() - Is `all` one of the parts between colons and hyphens? */
static bool says_all(const char *text, size_t length)
{
	for (size_t begin = 0, end; begin < length; begin = end + 1) {
		for (end = begin; end < length && text[end] != ':' && text[end] != '-';)
			end++;
		if (end - begin == 3 && memcmp(text + begin, "all", 3) == 0)
			return true;
	}
	return false;
}

/**
 * read_ports() - Read an entry without its protocol: listening side, guest side.
 *
 * Return: false after a mistake was reported.
 */
static bool read_ports(struct portlist *list, const struct portlist_entry *entry, size_t length,
		       struct forward *forward)
{
	const char *colon = memchr(entry->text, ':', length);
	size_t n_listen = colon ? (size_t)(colon - entry->text) : length;
	struct portlist_span listen = { 1, PORT_MAX };

	forward->all = says_all(entry->text, length);
	if (forward->all && length != 3) {
		portlist_mistake(list, entry,
				 "\"all\" stands alone: write all, all/tcp or all/udp");
		return false;
	}
	if (!forward->all &&
	    !portlist_read_span(list, entry, entry->text, n_listen, "listening ", &listen))
		return false;
	forward->listen_first = listen.first;
	forward->listen_last = listen.last;
	forward->guest_first = listen.first;
	return !colon || read_guest(list, entry, colon + 1, length - n_listen - 1, &listen,
				    &forward->guest_first);
}

/** read_entry() - Read one entry. */
static void read_entry(struct portlist *list, const struct portlist_entry *entry)
{
	struct forward forward = { 0 };
	bool tcp, udp;
	size_t length;

	if (portlist_read_proto(list, entry, &length, &tcp, &udp) &&
	    read_ports(list, entry, length, &forward))
		portlist_add(list, entry, &forward, tcp, udp);
}

static int compare_conflicts(const void *a, const void *b)
{
	const struct conflict *x = a, *y = b;

	if (x->later != y->later)
		return x->later < y->later ? -1 : 1;
	if (x->earlier != y->earlier)
		return x->earlier < y->earlier ? -1 : 1;
	return x->forward->proto < y->forward->proto ? -1 : x->forward->proto > y->forward->proto;
}

/**
 * find_conflicts() - Compare each sorted forward with the one before it that reaches furthest.
 * @conflicts: room for one per forward
 *
 * Those for all ports are sorted behind the others, and compared among themselves.
 *
 * Return: how many there are.
 */
static size_t find_conflicts(const struct portlist *list, struct conflict *conflicts)
{
	const struct forward *furthest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < list->n_forwards; i++) {
		const struct forward *f = &list->forwards[i];

		if (furthest && furthest->proto == f->proto && furthest->all == f->all &&
		    furthest->listen_last >= f->listen_first) {
			bool is_later = f->entry > furthest->entry;

			conflicts[n++] = (struct conflict){
				.later = is_later ? f->entry : furthest->entry,
				.earlier = is_later ? furthest->entry : f->entry,
				.forward = f,
			};
			if (furthest->listen_last >= f->listen_last)
				continue;
		}
		furthest = f;
	}
	return n;
}

/** report_conflicts() - One sentence for each pair of entries, in the order of the later one.
 * Return: 0 or -ENOMEM. */
static int report_conflicts(struct portlist *list)
{
	autofree struct conflict *conflicts = calloc(list->n_forwards + 1, sizeof(*conflicts));
	size_t n;

	if (!conflicts)
		return -ENOMEM;
	n = find_conflicts(list, conflicts);
	qsort(conflicts, n, sizeof(*conflicts), compare_conflicts);
	for (size_t i = 0; i < n; i++) {
		const struct conflict *c = &conflicts[i];
		const struct portlist_entry *earlier = &list->entries[c->earlier - 1];
		char port[16] = "", quoted[PORTLIST_QUOTE_SIZE];

		/* The same two entries for udp as for tcp: said already. */
		if (i > 0 && c->later == c[-1].later && c->earlier == c[-1].earlier)
			continue;
		if (!c->forward->all)
			snprintf(port, sizeof(port), " %u", c->forward->listen_first);
		portlist_mistake(list, &list->entries[c->later - 1],
				 "%s%s port%s is forwarded already by entry %u, \"%s\"; a port "
				 "leads to one place only",
				 c->forward->all ? "every " : "", forward_proto_name(c->forward),
				 port, earlier->position,
				 portlist_quote(earlier->text, earlier->length, quoted));
	}
	return 0;
}

/** parse() - Everything but the ownership of @list's arrays. Return: 0 or -ENOMEM. */
static int parse(struct portlist *list, const char *text)
{
	int r;

	r = portlist_split(list, text);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->n_entries; i++)
		read_entry(list, &list->entries[i]);
	portlist_sort(list);
	return report_conflicts(list);
}

int forwards_parse(const char *text, forward_report_fn *report, void *context,
		   struct forward **ret_forwards, size_t *ret_n)
{
	struct portlist list = { .report = report, .context = context };

	return portlist_end(&list, parse(&list, text), ret_forwards, ret_n);
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
	if (forward->all)
		return memcpy(buffer, "all", 4);
	return span_text(forward->listen_first, forward->listen_last, buffer);
}

const char *forward_guest_text(const struct forward *forward, char buffer[static 12])
{
	unsigned more = (unsigned)(forward->listen_last - forward->listen_first);

	if (forward->all)
		return memcpy(buffer, "all", 4);
	return span_text(forward->guest_first, forward->guest_first + more, buffer);
}
