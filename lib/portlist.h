/*
 * What a list of forwards and a list of ports have in common: entries separated by blanks or
 * commas, protocols, ports and ranges, and the sentences about mistakes. Pure text, no I/O. Only
 * forward.c and ports.c need it.
 */
#pragma once

#include "lib/forward.h"

#define PORT_MAX 65535

/* How much of an entry a message quotes: enough for every entry that is well-formed. */
#define PORTLIST_QUOTE_MAX 40
#define PORTLIST_QUOTE_SIZE (PORTLIST_QUOTE_MAX + 4)

/* One entry of the list, as text. */
struct portlist_entry {
	const char *text;
	size_t length;
	unsigned position; /* as people count: the first is 1 */
};

/* A list while it is read; a mistake does not end that. */
struct portlist {
	forward_report_fn *report; /* may be NULL */
	void *context;
	bool failed; /* there was a mistake */
	struct portlist_entry *entries;
	size_t n_entries;
	struct forward *forwards; /* room for two per entry: without a protocol it makes two */
	size_t n_forwards;
};

struct portlist_span {
	uint16_t first, last;
};

/** portlist_split() - Cut @text into entries and make room for their forwards. Return: 0 or
 * -ENOMEM. */
int portlist_split(struct portlist *list, const char *text);

/**
 * portlist_end() - Free what @list has, and hand its forwards out if all is well.
 * @r: 0, or the -errno that reading it ended with
 * @ret_forwards: allocated array, untouched on failure
 * @ret_n: its length
 *
 * Return: 0, @r, or -EINVAL when a mistake was reported.
 */
int portlist_end(struct portlist *list, int r, struct forward **ret_forwards, size_t *ret_n);

/** portlist_quote() - @length bytes as a message shows them: short, and without bytes that would
 * disturb a terminal or a log. */
const char *portlist_quote(const char *text, size_t length,
			   char buffer[static PORTLIST_QUOTE_SIZE]);

/** portlist_mistake() - Report one sentence about @entry. */
void portlist_mistake(struct portlist *list, const struct portlist_entry *entry, const char *format,
		      ...) __attribute__((format(printf, 3, 4)));

/**
 * portlist_read_proto() - Read what stands behind the slash.
 * @ret_length: length of the entry without it
 * @ret_tcp, @ret_udp: what is meant; both if there is no slash
 *
 * Return: false after a mistake was reported.
 */
bool portlist_read_proto(struct portlist *list, const struct portlist_entry *entry,
			 size_t *ret_length, bool *ret_tcp, bool *ret_udp);

/**
 * portlist_read_span() - Read `FIRST` or `FIRST-LAST`, @length bytes at @part.
 * @side: whose ports they are, for the message: "listening ", "guest " or nothing
 *
 * Return: false after a mistake was reported.
 */
bool portlist_read_span(struct portlist *list, const struct portlist_entry *entry, const char *part,
			size_t length, const char *side, struct portlist_span *ret_span);

/** portlist_add() - Add @forward, which @entry means, for each of its protocols. */
void portlist_add(struct portlist *list, const struct portlist_entry *entry,
		  const struct forward *forward, bool tcp, bool udp);

/** portlist_sort() - By protocol; those for all ports behind the others, which take precedence; by
 * port; by entry. */
void portlist_sort(struct portlist *list);
