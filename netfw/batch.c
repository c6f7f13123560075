#include "netfw/batch.h"

#include "lib/util.h"
#include "netfw/attr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

void batch_init(struct batch *batch, uint32_t *sequence)
{
	*batch = (struct batch){ .sequence = sequence, .first = *sequence + 1 };
	batch->scratch = calloc(1, BATCH_MESSAGE_MAX);
	if (!batch->scratch)
		batch->error = -ENOMEM;
}

void batch_clear(struct batch *batch)
{
	free(batch->data);
	free(batch->objects);
	free(batch->scratch);
	*batch = (struct batch){ 0 };
}

void batch_reset(struct batch *batch)
{
	batch->length = batch->n_objects = 0;
	batch->first = *batch->sequence + 1;
	batch->rebuilds = false;
	batch->error = batch->scratch ? 0 : -ENOMEM;
}

/** grow() - Double *@array until @needed elements fit. */
static void grow(struct batch *batch, void **array, size_t *room, size_t needed, size_t size)
{
	size_t wanted = *room ? *room : 64;
	void *grown;

	if (batch->error || needed <= *room)
		return;
	while (wanted < needed)
		wanted *= 2;
	grown = reallocarray(*array, wanted, size);
	if (!grown) {
		batch->error = -ENOMEM;
		return;
	}
	*array = grown;
	*room = wanted;
}

/** frame() - Append the message that opens or closes a transaction. */
static void frame(struct batch *batch, uint16_t type, enum batch_kind kind)
{
	struct batch_object object = { .kind = kind };
	struct nlmsghdr *message;
	struct nfgenmsg *general;

	if (batch->error)
		return;
	message = mnl_nlmsg_put_header(batch->scratch);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = ++*batch->sequence;
	general = mnl_nlmsg_put_extra_header(message, sizeof(*general));
	general->nfgen_family = AF_UNSPEC;
	general->version = NFNETLINK_V0;
	general->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (kind == BATCH_BEGIN) {
		mnl_attr_put_u32(message, NFNL_BATCH_GENID, 0);
		batch->genid_offset = message->nlmsg_len - sizeof(uint32_t);
	}
	batch_add(batch, message, &object);
}

void batch_begin(struct batch *batch)
{
	frame(batch, NFNL_MSG_BATCH_BEGIN, BATCH_BEGIN);
}

void batch_set_generation(struct batch *batch, uint32_t generation)
{
	uint32_t network_order = htonl(generation);

	if (!batch->error)
		memcpy(batch->data + batch->genid_offset, &network_order, sizeof(network_order));
}

void batch_end(struct batch *batch)
{
	frame(batch, NFNL_MSG_BATCH_END, BATCH_END);
}

struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint16_t flags)
{
	if (batch->error)
		return NULL;
	return nftnl_nlmsg_build_hdr(batch->scratch, type, NFPROTO_INET, flags, ++*batch->sequence);
}

void batch_add(struct batch *batch, const struct nlmsghdr *message,
	       const struct batch_object *object)
{
	size_t size;

	if (!message)
		return;
	size = ATTR_ALIGN(message->nlmsg_len);
	grow(batch, (void **)&batch->data, &batch->room, batch->length + size, 1);
	grow(batch, (void **)&batch->objects, &batch->objects_room, batch->n_objects + 1,
	     sizeof(*batch->objects));
	if (batch->error)
		return;
	memcpy(batch->data + batch->length, message, size);
	batch->objects[batch->n_objects] = *object;
	batch->objects[batch->n_objects++].at = batch->length;
	batch->length += size;
}

const struct batch_object *batch_find(const struct batch *batch, uint32_t sequence,
				      const struct nlmsghdr **ret_message)
{
	const struct batch_object *object;

	if (sequence - batch->first >= batch->n_objects)
		return NULL;
	object = &batch->objects[sequence - batch->first];
	*ret_message = batch_message_of(batch, object);
	return object;
}

const struct nlmsghdr *batch_message_of(const struct batch *batch,
					const struct batch_object *object)
{
	return (const struct nlmsghdr *)(batch->data + object->at);
}
