/*
 * A transaction of nf_tables: messages one behind the other in a buffer that grows, and for each of
 * them what it was about, so that the kernel's complaint about a sequence number and an offset can
 * be told in terms of the caller's objects.
 *
 * Errors are sticky: after -ENOMEM everything does nothing, and the batch's error says so.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one message; elements are put into as many messages as they need. */
#define BATCH_MESSAGE_MAX 32768

enum batch_kind {
	BATCH_BEGIN,
	BATCH_TABLE,
	BATCH_SET,
	BATCH_CHAIN,
	BATCH_RULE,
	BATCH_ELEMENTS,
	BATCH_END
};

struct plan_element;

/* What a message is about. */
struct batch_object {
	enum batch_kind kind;
	size_t at;	  /* where the message begins in the batch's data; filled by batch_add() */
	const char *name; /* of the table, set or chain; static or the ruleset's */
	const char *text; /* of a rule; the ruleset's */
	/* Elements of a map: */
	const struct plan_element *elements; /* the caller's */
	size_t n;
	uint32_t offset; /* where the first one begins in the message */
	uint32_t size;	 /* bytes of each */
};

struct batch {
	char *data;
	size_t length, room;
	struct batch_object *objects;
	size_t n_objects, objects_room;
	uint32_t first; /* sequence number of the first message */
	uint32_t *sequence;
	size_t genid_offset; /* where the generation stands in the data */
	bool rebuilds;	     /* the sets are made in it */
	int error;
	char *scratch; /* the message that is being built */
};

/**
 * batch_init() - An empty batch; @sequence counts the messages of the socket it will be sent by.
 */
void batch_init(struct batch *batch, uint32_t *sequence);
void batch_clear(struct batch *batch);

/** batch_reset() - Empty again, with its memory. */
void batch_reset(struct batch *batch);

/**
 * batch_begin() - The message that opens the transaction; batch_set_generation() fills in which
 * state it is based on.
 */
void batch_begin(struct batch *batch);
void batch_set_generation(struct batch *batch, uint32_t generation);

/**
 * batch_end() - The message that commits it. Without it the kernel checks everything and keeps
 * nothing.
 */
void batch_end(struct batch *batch);

/**
 * batch_message() - Begin a message.
 * @type: NFT_MSG_*
 * @flags: beside NLM_F_REQUEST
 *
 * Return: a message to fill and to hand to batch_add() before the next one; NULL after an error.
 */
struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint16_t flags);

/** batch_add() - Append the message that batch_message() returned; NULL is ignored. */
void batch_add(struct batch *batch, const struct nlmsghdr *message,
	       const struct batch_object *object);

/**
 * batch_find() - The object of the message with that sequence number, and the message itself.
 * Return: NULL if none.
 */
const struct batch_object *batch_find(const struct batch *batch, uint32_t sequence,
				      const struct nlmsghdr **ret_message);

/** batch_message_of() - The message of one of @batch's objects. */
const struct nlmsghdr *batch_message_of(const struct batch *batch,
					const struct batch_object *object);
