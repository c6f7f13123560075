/*
 * The grammar that lists of forwards and of ports share. A mistake is reported and the next entry
 * is read: whoever wrote a thousand entries learns about all the bad ones in one run.
 */
#include "lib/portlist.h"

#include "lib/util.h"

#include <errno.h>
#include <stdarg.h>

#define SEPARATORS " \t\r\n\v\f,"

const char *portlist_quote(const char *text, size_t length, char buffer[static PORTLIST_QUOTE_SIZE])
{
	size_t shown = length < PORTLIST_QUOTE_MAX ? length : PORTLIST_QUOTE_MAX;

	for (size_t i = 0; i < shown; i++)
		buffer[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	memcpy(buffer + shown, "...", 4);
	if (shown == length)
		buffer[shown] = '\0';
	return buffer;
}

void portlist_mistake(struct portlist *list, const struct portlist_entry *entry, const char *format,
		      ...)
{
	char quoted[PORTLIST_QUOTE_SIZE], reason[160], message[256];
	va_list args;

	list->failed = true;
	if (!list->report)
		return;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(message, sizeof(message), "entry %u, \"%s\": %s", entry->position,
		 portlist_quote(entry->text, entry->length, quoted), reason);
	list->report(list->context, message);
}

int portlist_split(struct portlist *list, const char *text)
{
	size_t n = 0;

	for (const char *p = text + strspn(text, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
		p += strcspn(p, SEPARATORS);
		n++;
	}
	/* One more than needed, so that an empty list is no special case. */
	list->entries = calloc(n + 1, sizeof(*list->entries));
	list->forwards = calloc(2 * n + 1, sizeof(*list->forwards));
	if (!list->entries || !list->forwards)
		return -ENOMEM;

	for (const char *p = text + strspn(text, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
		struct portlist_entry *entry = &list->entries[list->n_entries++];

		entry->text = p;
		entry->length = strcspn(p, SEPARATORS);
		entry->position = (unsigned)list->n_entries;
		p += entry->length;
	}
	return 0;
}

int portlist_end(struct portlist *list, int r, struct forward **ret_forwards, size_t *ret_n)
{
	free(list->entries);
	if (r == 0 && list->failed)
		r = -EINVAL;
	if (r < 0) {
		free(list->forwards);
		return r;
	}
	*ret_forwards = list->forwards;
	*ret_n = list->n_forwards;
	return 0;
}

bool portlist_read_proto(struct portlist *list, const struct portlist_entry *entry,
			 size_t *ret_length, bool *ret_tcp, bool *ret_udp)
{
	const char *slash = memchr(entry->text, '/', entry->length);
	size_t length = slash ? (size_t)(slash - entry->text) : entry->length;
	size_t n_proto = slash ? entry->length - length - 1 : 0;
	bool tcp = !slash || (n_proto == 3 && memcmp(slash + 1, "tcp", 3) == 0);
	bool udp = !slash || (n_proto == 3 && memcmp(slash + 1, "udp", 3) == 0);

	if (slash && n_proto == 0) {
		portlist_mistake(
			list, entry,
			"the protocol is missing; append /tcp or /udp, or nothing for both");
		return false;
	}
	if (!tcp && !udp) {
		char quoted[PORTLIST_QUOTE_SIZE];

		portlist_mistake(list, entry,
				 "unknown protocol \"%s\"; it is tcp or udp, or none for both",
				 portlist_quote(slash + 1, n_proto, quoted));
		return false;
	}
	*ret_length = length;
	*ret_tcp = tcp;
	*ret_udp = udp;
	return true;
}

/**
 * read_port() - Read one port number.
 * @part: its text, @length bytes; the rest of the entry follows
 * @what: what it is, for the message
 *
 * Return: the port, or 0 after a mistake was reported.
 */
static uint16_t read_port(struct portlist *list, const struct portlist_entry *entry,
			  const char *part, size_t length, const char *what)
{
	char quoted[PORTLIST_QUOTE_SIZE];
	unsigned port = 0;

	if (length == 0) {
		portlist_mistake(list, entry, "%s is missing", what);
		return 0;
	}
	for (size_t i = 0; i < length; i++) {
		if (part[i] < '0' || part[i] > '9') {
			portlist_mistake(list, entry, "\"%s\" is not a port number",
					 portlist_quote(part, length, quoted));
			return 0;
		}
		if (port <= PORT_MAX)
			port = port * 10 + (unsigned)(part[i] - '0');
	}
	if (port == 0 || port > PORT_MAX) {
		portlist_mistake(list, entry, "\"%s\" is not a port; ports are 1 to %d",
				 portlist_quote(part, length, quoted), PORT_MAX);
		return 0;
	}
	return (uint16_t)port;
}

bool portlist_read_span(struct portlist *list, const struct portlist_entry *entry, const char *part,
			size_t length, const char *side, struct portlist_span *ret_span)
{
	const char *dash = memchr(part, '-', length);
	size_t head = dash ? (size_t)(dash - part) : length;
	struct portlist_span span;
	char what[64];

	snprintf(what, sizeof(what), dash ? "the first port of the %srange" : "the %sport", side);
	span.first = read_port(list, entry, part, head, what);
	if (!span.first)
		return false;
	span.last = span.first;
	if (dash) {
		snprintf(what, sizeof(what), "the last port of the %srange", side);
		span.last = read_port(list, entry, dash + 1, length - head - 1, what);
		if (!span.last)
			return false;
	}
	if (span.last < span.first) {
		portlist_mistake(list, entry, "the %srange ends before it begins",
				 streq(side, "guest ") ? side : "");
		return false;
	}
	*ret_span = span;
	return true;
}

void portlist_add(struct portlist *list, const struct portlist_entry *entry,
		  const struct forward *forward, bool tcp, bool udp)
{
	for (unsigned i = 0; i < 2; i++) {
		struct forward *added = &list->forwards[list->n_forwards];

		if (!(i ? udp : tcp))
			continue;
		*added = *forward;
		added->proto = i ? IPPROTO_UDP : IPPROTO_TCP;
		added->entry = entry->position;
		list->n_forwards++;
	}
}

static int compare(const void *a, const void *b)
{
	const struct forward *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->all != y->all)
		return y->all ? -1 : 1;
	if (x->listen_first != y->listen_first)
		return x->listen_first < y->listen_first ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

void portlist_sort(struct portlist *list)
{
	qsort(list->forwards, list->n_forwards, sizeof(*list->forwards), compare);
}
