#include "netfw/talk.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

/*
 * What must fit into the send buffer beside the batch itself: the kernel compares with a little
 * less than was asked for.
 */
#define SEND_BUFFER_EXTRA 4096

int talk_open(struct talk *talk, int bus)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int yes = 1;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		mnl_socket_close(socket);
		return r;
	}
	/*
	 * Where the kernel can say which attribute is wrong and why, it shall; and it need not
	 * repeat the message.
	 */
	mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &yes, sizeof(yes));
	mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &yes, sizeof(yes));
	talk->socket = socket;
	talk->port = mnl_socket_get_portid(socket);
	talk->sequence = 0;
	return 0;
}

void talk_close(struct talk *talk)
{
	if (talk->socket)
		mnl_socket_close(talk->socket);
	talk->socket = NULL;
}

struct nlmsghdr *talk_message(struct talk *talk, void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	message->nlmsg_seq = ++talk->sequence;
	return message;
}

/** send_message() - Return: 0 or -errno. */
static int send_message(struct talk *talk, const void *data, size_t length)
{
	ssize_t n;

	do
		n = mnl_socket_sendto(talk->socket, data, length);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/** receive() - One datagram into @buffer of TALK_BUFFER_SIZE. Return: its length or -errno. */
static ssize_t receive(struct talk *talk, void *buffer)
{
	ssize_t n;

	do
		n = mnl_socket_recvfrom(talk->socket, buffer, TALK_BUFFER_SIZE);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/** read_extended() - Take the offset and the text that may follow the error. */
static void read_extended(const struct nlmsghdr *message, struct talk_answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[NLMSGERR_ATTR_OFFS + 1];
	size_t fixed = sizeof(*error);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* Unless capped, the rest of the message that was sent stands between. */
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		fixed += ATTR_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	attr_index(message, fixed, attr, ARRAY_SIZE(attr));
	answer->offset = attr_u32(attr[NLMSGERR_ATTR_OFFS], 0);
	attr_text(attr[NLMSGERR_ATTR_MSG], answer->text, sizeof(answer->text));
}

/**
 * read_error() - Read an NLMSG_ERROR, which is the acknowledgement if its code is 0. Return: its
 * code.
 */
static int read_error(const struct nlmsghdr *message, struct talk_answer *ret_answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	struct talk_answer answer = { 0 };

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*error))
		return -EBADMSG;
	answer.code = error->error;
	answer.sequence = message->nlmsg_seq;
	read_extended(message, &answer);
	if (ret_answer)
		*ret_answer = answer;
	return answer.code;
}

int talk_request(struct talk *talk, struct nlmsghdr *message, mnl_cb_t on_data, void *context,
		 struct talk_answer *ret_answer)
{
	char buffer[TALK_BUFFER_SIZE];
	int r;

	message->nlmsg_flags |= NLM_F_ACK;
	r = send_message(talk, message, message->nlmsg_len);
	if (r < 0)
		return r;
	for (;;) {
		const struct nlmsghdr *part = (const struct nlmsghdr *)buffer;
		ssize_t n = receive(talk, buffer);
		int left = (int)n;

		if (n < 0)
			return (int)n;
		for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left)) {
			/* An answer to something that was given up: not ours any more. */
			if (part->nlmsg_seq != message->nlmsg_seq)
				continue;
			if (part->nlmsg_type == NLMSG_ERROR)
				return read_error(part, ret_answer);
			if (on_data && on_data(part, context) < 0)
				return -errno;
		}
	}
}

/** is_last() - Does a datagram end the dump with that number? */
static bool is_last(const char *buffer, ssize_t n, uint32_t sequence)
{
	const struct nlmsghdr *part = (const struct nlmsghdr *)buffer;
	int left = (int)n;

	for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left)) {
		if (part->nlmsg_seq == sequence &&
		    (part->nlmsg_type == NLMSG_DONE || part->nlmsg_type == NLMSG_ERROR))
			return true;
	}
	return false;
}

int talk_dump(struct talk *talk, struct nlmsghdr *message, mnl_cb_t on_data, void *context)
{
	char buffer[TALK_BUFFER_SIZE];
	ssize_t n;
	int r;

	message->nlmsg_flags |= NLM_F_DUMP;
	r = send_message(talk, message, message->nlmsg_len);
	if (r < 0)
		return r;
	do {
		n = receive(talk, buffer);
		if (n < 0)
			return (int)n;
		r = mnl_cb_run(buffer, (size_t)n, message->nlmsg_seq, talk->port, on_data, context);
		/* Parts of an older answer that was given up. */
		if (r < 0 && errno == EPROTO)
			r = MNL_CB_OK;
	} while (r > MNL_CB_STOP);
	if (r >= 0)
		return 0;
	r = -errno;
	/* The kernel begins no other dump before this one is taken to its end. */
	while (!is_last(buffer, n, message->nlmsg_seq)) {
		n = receive(talk, buffer);
		if (n < 0)
			break;
	}
	return r;
}

/** make_room() - Let the socket send @length bytes at once, as far as it may. */
static void make_room(struct talk *talk, size_t length)
{
	int fd = mnl_socket_get_fd(talk->socket), now = 0,
	    wanted = (int)(length + SEND_BUFFER_EXTRA);
	socklen_t size = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &now, &size) == 0 && now >= wanted)
		return;
	/*
	 * The first needs NET_ADMIN in the first user namespace; the second is capped by
	 * net.core.wmem_max.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
}

/** read_complaints() - Of the errors in one datagram, keep the one about the earliest message. */
static void read_complaints(const char *buffer, ssize_t n, uint32_t first, uint32_t last,
			    struct talk_answer *answer)
{
	const struct nlmsghdr *part = (const struct nlmsghdr *)buffer;
	struct talk_answer next;
	int left = (int)n;

	for (; mnl_nlmsg_ok(part, left); part = mnl_nlmsg_next(part, &left)) {
		/* Sequence numbers wrap around: compare their distance. */
		if (part->nlmsg_type != NLMSG_ERROR || part->nlmsg_seq - first > last - first)
			continue;
		if (read_error(part, &next) == 0)
			continue;
		if (answer->code == 0 || next.sequence - first < answer->sequence - first)
			*answer = next;
	}
}

int talk_batch(struct talk *talk, const void *data, size_t length, struct talk_answer *ret_answer)
{
	const struct nlmsghdr *begin = data;
	struct talk_answer answer = { 0 };
	char buffer[TALK_BUFFER_SIZE];
	bool overflow = false;
	int r;

	make_room(talk, length);
	r = send_message(talk, data, length);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n =
			recv(mnl_socket_get_fd(talk->socket), buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == ENOBUFS) {
			/* Told once; what did fit is still to be read. */
			overflow = true;
			continue;
		}
		if (n < 0)
			return -errno;
		read_complaints(buffer, n, begin->nlmsg_seq, talk->sequence, &answer);
	}
	/* One complaint is enough to know that nothing was changed. */
	if (overflow && answer.code == 0)
		return -ENOBUFS;
	*ret_answer = answer;
	return 0;
}
