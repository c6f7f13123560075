#include "netfw/transact.h"

#include "lib/util.h"
#include "netfw/attr.h"
#include "netfw/explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* How often a rehearsal is begun anew because somebody else changed the ruleset meanwhile. */
#define TRIES 16

static int on_generation(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr[NFTA_GEN_ID + 1];
	uint32_t *generation = context;

	attr_index(message, sizeof(struct nfgenmsg), attr, ARRAY_SIZE(attr));
	*generation = ntohl(attr_u32(attr[NFTA_GEN_ID], 0));
	return MNL_CB_OK;
}

/** read_generation() - transact_generation() without words. */
static int read_generation(struct talk *filter, uint32_t *ret_generation)
{
	char buffer[NLMSG_HDRLEN + sizeof(struct nfgenmsg)];
	struct nlmsghdr *message;

	message = talk_message(filter, buffer, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0);
	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	return talk_request(filter, message, on_generation, ret_generation, NULL);
}

int transact_generation(struct talk *filter, uint32_t *ret_generation, struct netfw_error *error)
{
	int r = read_generation(filter, ret_generation);

	return r < 0 ? explain_send(r, 0, error) : 0;
}

int transact_commit(struct talk *filter, struct batch *batch, uint32_t generation, bool any,
		    uint32_t *ret_generation, struct netfw_error *error)
{
	struct talk_answer answer = { 0 };
	uint32_t after = 0;
	int sent, r;

	/* To the kernel 0 means any. */
	batch_set_generation(batch, any ? 0 : generation);
	sent = talk_batch(filter, batch->data, batch->length, &answer);
	if (sent < 0 && sent != -ENOBUFS)
		return explain_send(sent, batch->length, error);
	if (sent == 0 && answer.code == -ERESTART)
		return -ERESTART;
	if (sent == 0 && answer.code < 0)
		return explain_batch(batch, &answer, error);
	r = read_generation(filter, &after);
	if (r == 0 && after == generation)
		return netfw_fail(error, NETFW_FAULT_SYSTEM, -EIO,
				  "the kernel did not take the ruleset and did not say why; the "
				  "old one is in force");
	if (r < 0 || sent == -ENOBUFS)
		return -EAGAIN;
	/* The kernel leaves the number 0 out. */
	*ret_generation =
		after == generation + 1 || (generation == UINT32_MAX && after == 1) ? after : 0;
	return 0;
}

int transact_rehearse(struct talk *filter, struct batch *batch, struct netfw_error *error)
{
	struct talk_answer answer = { 0 };
	uint32_t generation = 0;
	int r = -ERESTART;

	for (int i = 0; i < TRIES && r == -ERESTART; i++) {
		r = transact_generation(filter, &generation, error);
		if (r < 0)
			return r;
		batch_set_generation(batch, generation);
		r = talk_batch(filter, batch->data, batch->length, &answer);
		if (r < 0)
			return explain_send(r, batch->length, error);
		r = answer.code;
	}
	return r < 0 ? explain_batch(batch, &answer, error) : 0;
}
