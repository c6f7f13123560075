#include "netfw/publish.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <systemd/sd-daemon.h>

/** hand_over() - PID 1 keeps the descriptor, sd_notify(3) calls that FDSTORE. */
static void hand_over(const struct forward_table *table)
{
	int fd = forward_table_fd(table);

	sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=" FORWARD_TABLE_NAME, &fd, 1);
}

void publish(struct publication *publication, struct session *session, const struct config *config)
{
	const struct network_config *network = &config->network;
	struct publication next = { .repairs = publication->repairs };
	int r = forward_table_create(network->forwards, network->n_forwards, &next.table);

	if (r < 0)
		next.table = NULL;
	next.counts = calloc(network->n_forwards + 1, sizeof(*next.counts));
	next.rows = calloc(network->n_forwards + 1, sizeof(*next.rows));
	if (r == 0 && (!next.counts || !next.rows))
		r = -ENOMEM;
	publish_close(publication);
	*publication = next;
	if (r < 0) {
		log_warning("the forwards cannot be shown in the status: %s", strerror(-r));
		forward_table_free(publication->table);
		publication->table = NULL;
		return;
	}
	publish_counts(publication, session);
	hand_over(publication->table);
}

int publish_counts(struct publication *publication, struct session *session)
{
	size_t n = session->demand.rules.n_forwards;
	int r;

	if (!publication->table)
		return 0;
	r = netfw_count(session->netfw, publication->counts, n, &session->error);
	for (size_t i = 0; i < n; i++)
		publication->rows[i] = (struct forward_count){
			.packets_in = publication->counts[i].packets_in,
			.bytes_in = publication->counts[i].bytes_in,
			.packets_out = publication->counts[i].packets_out,
			.bytes_out = publication->counts[i].bytes_out,
		};
	forward_table_update(publication->table, publication->rows, publication->repairs);
	return r;
}

void publish_once(struct session *session)
{
	struct publication publication = { 0 };

	publish(&publication, session, session->config);
	publish_close(&publication);
}

void publish_close(struct publication *publication)
{
	forward_table_free(publication->table);
	free(publication->counts);
	free(publication->rows);
	*publication = (struct publication){ .repairs = publication->repairs };
}
