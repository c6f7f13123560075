/*
 * Port forwards as people write them: `3389`, `3389/tcp`, `13389:3389/tcp`, `5000-5010/udp`. Pure
 * text, no I/O.
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
	bool all;	      /* every port that no other forward names */
	unsigned entry;	      /* position in the list, 1 is the first */
};

/**
 * forwards_parse() - Read a list of forwards, separated by spaces or commas.
 * @text: LISTEN[-LAST][:GUEST[-LAST]][/tcp|/udp], without a protocol both tcp and udp
 * @report: called once for every mistake with a sentence that names the entry and its position, may
 * be NULL
 * @context: passed to @report
 * @ret_forwards: allocated array, sorted by protocol and port, untouched on failure
 * @ret_n: its length
 *
 * Two entries that listen on the same port of one protocol are a mistake, whatever they lead to.
 *
 * Return: 0, -EINVAL when something was reported, or -ENOMEM.
 */
int forwards_parse(const char *text, void (*report)(void *context, const char *message),
		   void *context, struct forward **ret_forwards, size_t *ret_n);

/** forward_proto_name() - "tcp" or "udp". */
const char *forward_proto_name(const struct forward *forward);

/** forward_listen_text() - "3389" or "5000-5010" into @buffer, which is returned. */
const char *forward_listen_text(const struct forward *forward, char buffer[static 12]);

/** forward_guest_text() - The ports in the guest, in the same form. */
const char *forward_guest_text(const struct forward *forward, char buffer[static 12]);
