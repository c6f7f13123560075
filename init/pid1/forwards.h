/*
 * The forwards as casement-netfw shows them: which descriptor PID 1 keeps, and what its answers say
 * of what is in it.
 */
#pragma once

#include "init/pid1/json.h"
#include "init/pid1/supervisor.h"
#include "lib/forward_table.h"

/* A writer may write while we read. After so many attempts what was read is shown as it is: some of
 * the counters are then a few seconds older than the others. */
#define FORWARDS_ATTEMPTS 4

/**
 * forwards_take() - A service passed a descriptor as its table of forwards.
 * @passed: -1 afterwards if it is one: it is kept in the place of the former one, which is closed
 */
void forwards_take(struct supervisor *supervisor, const struct service *service, int *passed);

/* Room that the metrics of one forward take at most, four lines; and those of none: their heads. */
#define FORWARDS_METRIC_ROOM 448
#define FORWARDS_METRICS_ROOM 1024

/** forwards_report() - Members of the status: the forwards, how many do not fit, and the network.
 */
void forwards_report(struct json *json, const struct supervisor *supervisor);
