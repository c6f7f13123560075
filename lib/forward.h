/*
 * Port forwards as people write them: `3389`, `3389/tcp`, `13389:3389/tcp`, `5000-5010/udp`, `all`.
 * Pure text, no I/O.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct forward {
	uint8_t proto;	       /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t listen_first; /* host order, inclusive; equal to listen_last for a single port */
	uint16_t listen_last;
	uint16_t guest_first; /* guest port of listen_first; the others follow one by one */
	bool all; /* every port of the protocol that no other forward names and that [network] keep
		     does not keep; then from 1 to 65535, to the same ports */
	unsigned entry; /* place in the list that it was written in; the first is 1 */
};

/* Is told one mistake, a sentence that names the entry and its position. */
typedef void forward_report_fn(void *context, const char *message);

/**
 * forwards_parse() - Read a list of forwards, separated by spaces or commas.
 * @text: LISTEN[-LAST][:GUEST[-LAST]][/tcp|/udp] or all[/tcp|/udp], without a protocol both tcp and
 * udp
 * @report: called once for every mistake, may be NULL
 * @context: passed to @report
 * @ret_forwards: allocated array, sorted by protocol and port, `all` behind the others of its
 * protocol; untouched on failure
 * @ret_n: its length
 *
 * Two entries that listen on the same port of one protocol are a mistake, whatever they lead to. Of
 * `all` there may be one for each protocol, and it is in nobody's way.
 *
 * Return: 0, -EINVAL when something was reported, or -ENOMEM.
 */
int forwards_parse(const char *text, forward_report_fn *report, void *context,
		   struct forward **ret_forwards, size_t *ret_n);

/** forward_proto_name() - "tcp" or "udp". */
const char *forward_proto_name(const struct forward *forward);

/** forward_listen_text() - "3389", "5000-5010" or "all" into @buffer, which is returned. */
const char *forward_listen_text(const struct forward *forward, char buffer[static 12]);

/** forward_guest_text() - The ports in the guest, in the same form. */
const char *forward_guest_text(const struct forward *forward, char buffer[static 12]);
