/*
 * The one place that talks netlink: requests with an acknowledgement, dumps, and batches of
 * nf_tables.
 *
 * Netlink is synchronous: when the send returns, the kernel has done the work and its answers are
 * queued. So nothing here ever waits for the kernel, and a batch that was taken without an error
 * has no answer at all.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Room for one message of a request or for one datagram of a dump; the kernel fills at most 32 KiB.
 */
#define TALK_BUFFER_SIZE 32768

struct talk {
	struct mnl_socket *socket;
	uint32_t sequence; /* of the last message */
	unsigned port;
};

/* What the kernel says about the first message that it did not like. */
struct talk_answer {
	int code;	   /* 0 or -errno */
	uint32_t sequence; /* of that message */
	uint32_t offset;   /* of the attribute in that message, 0 if it was not told */
	char text[128];	   /* the kernel's own words, may be empty */
};

/** talk_open() - @bus: NETLINK_ROUTE or NETLINK_NETFILTER. Return: 0 or -errno. */
int talk_open(struct talk *talk, int bus);

/** talk_close() - A zeroed @talk is no mistake. */
void talk_close(struct talk *talk);

/** talk_message() - Begin a message in @buffer, with the next sequence number. */
struct nlmsghdr *talk_message(struct talk *talk, void *buffer, uint16_t type, uint16_t flags);

/**
 * talk_request() - Send one message and take the kernel's answer.
 * @message: NLM_F_ACK is added
 * @on_data: called for every message that comes before the acknowledgement; NULL if none is
 * expected
 *
 * Return: 0 or -errno: the kernel's answer, or that of the socket.
 */
int talk_request(struct talk *talk, struct nlmsghdr *message, mnl_cb_t on_data, void *context,
		 struct talk_answer *ret_answer);

/**
 * talk_dump() - Send one message with NLM_F_DUMP and hand each part of the answer to @on_data.
 *
 * Return: 0 or -errno; -EINTR if what was dumped changed meanwhile: forget it all and ask again.
 */
int talk_dump(struct talk *talk, struct nlmsghdr *message, mnl_cb_t on_data, void *context);

/**
 * talk_batch() - Send @length bytes of messages at once and collect what the kernel has against
 * them.
 * @ret_answer: the complaint about the message that comes first; code 0 if there is none
 *
 * Return: 0 if the kernel was asked, whatever it answered; -EMSGSIZE if the socket may not send so
 * much; -ENOBUFS if it answered more than there was room for, so that the outcome is not known;
 * -errno.
 */
int talk_batch(struct talk *talk, const void *data, size_t length, struct talk_answer *ret_answer);
