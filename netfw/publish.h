/* The forwards and their counters, as PID 1 sees them: a table in shared memory. */
#pragma once

#include "lib/forward_table.h"
#include "netfw/session.h"

struct publication {
	struct forward_table *table; /* NULL: PID 1 has none */
	struct netfw_count *counts;  /* one for each forward */
	struct forward_count *rows;  /* the same in the table's terms */
	uint64_t repairs;	     /* how often the rules were put right */
};

/**
 * publish() - Hand over a table of the session's forwards, in place of the one before.
 * @config: the one that the session's demand was made from
 *
 * What fails is logged and costs only the counters.
 */
void publish(struct publication *publication, struct session *session, const struct config *config);

/**
 * publish_counts() - Bring the table's counters up to date.
 *
 * Return: 0 or -errno: -ENOENT if the rules are gone.
 */
int publish_counts(struct publication *publication, struct session *session);

/** publish_once() - Hand over a table that nobody will bring up to date. */
void publish_once(struct session *session);

/** publish_close() - What PID 1 has stays with it. */
void publish_close(struct publication *publication);
