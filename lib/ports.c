/* The parser of lists of ports: forwards without a guest's side, and without conflicts. */
#include "lib/ports.h"

#include "lib/portlist.h"
#include "lib/util.h"

/** read_entry() - Read one entry. */
static void read_entry(struct portlist *list, const struct portlist_entry *entry)
{
	struct forward forward = { 0 };
	struct portlist_span span;
	bool tcp, udp;
	size_t length;

	if (!portlist_read_proto(list, entry, &length, &tcp, &udp))
		return;
	if (memchr(entry->text, ':', length)) {
		portlist_mistake(list, entry,
				 "this list has no guest ports: leave the colon and "
				 "what follows it out");
		return;
	}
	if (!portlist_read_span(list, entry, entry->text, length, "", &span))
		return;
	forward.listen_first = span.first;
	forward.listen_last = span.last;
	forward.guest_first = span.first;
	portlist_add(list, entry, &forward, tcp, udp);
}

/** merge() - Make one of what overlaps or touches, in a sorted list. */
static void merge(struct portlist *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_forwards; i++) {
		const struct forward *f = &list->forwards[i];
		struct forward *last = n ? &list->forwards[n - 1] : NULL;

		if (!last || last->proto != f->proto || f->listen_first > last->listen_last + 1)
			list->forwards[n++] = *f;
		else if (f->listen_last > last->listen_last)
			last->listen_last = f->listen_last;
	}
	list->n_forwards = n;
}

int ports_parse(const char *text, forward_report_fn *report, void *context,
		struct forward **ret_ports, size_t *ret_n)
{
	struct portlist list = { .report = report, .context = context };
	int r;

	r = portlist_split(&list, text);
	for (size_t i = 0; r == 0 && i < list.n_entries; i++)
		read_entry(&list, &list.entries[i]);
	if (r == 0) {
		portlist_sort(&list);
		merge(&list);
	}
	return portlist_end(&list, r, ret_ports, ret_n);
}
