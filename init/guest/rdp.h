/*
 * The first two messages of an RDP connection, as bytes: the client's connection request and the
 * server's answer. Pure functions; the answer is untrusted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RDP_REQUEST_SIZE 19
#define RDP_ANSWER_MAX 19 /* no valid connection confirm is longer */

/* What the server said to the negotiation in the request. */
enum rdp_answer {
	RDP_ANSWER_PLAIN, /* it does not negotiate: a server from before RDP 5.2, standard security
			   */
	RDP_ANSWER_SELECTED, /* it chose one of the protocols that were offered */
	RDP_ANSWER_REFUSED,  /* it wants a protocol that was not offered: an RDP server all the same
			      */
};

struct rdp_confirm {
	enum rdp_answer answer;
	uint32_t value; /* the protocol chosen, or the failure code */
};

/** rdp_request() - The connection request, offering TLS and CredSSP. */
void rdp_request(uint8_t ret_bytes[static RDP_REQUEST_SIZE]);

/**
 * rdp_parse() - Is this the answer of an RDP server?
 * @bytes: what came so far
 * @n: how much that is
 * @ret_confirm: filled when it is, untouched otherwise
 *
 * Return: 0 for a whole, valid connection confirm and nothing behind it, -EAGAIN while @bytes is
 * the beginning of one, -EBADMSG as soon as it cannot become one.
 */
int rdp_parse(const uint8_t *bytes, size_t n, struct rdp_confirm *ret_confirm);
