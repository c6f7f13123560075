/* The answers of the status socket, made from PID 1's memory. */
#pragma once

#include "init/pid1/supervisor.h"

/*
 * Bounds of an answer. Everything but the forwards fits into REPORT_FIXED: 32 services of at
 * most 2.2 kB each, if every byte of their texts has to be escaped, and the rest. Forwards that do
 * not fit behind it are counted instead.
 */
#define REPORT_FIXED ((size_t)96 << 10)
#define REPORT_MAX ((size_t)160 << 10)

/** report_status() - One JSON object and a line break. Return: the number of bytes, at most @size.
 */
size_t report_status(const struct supervisor *supervisor, int64_t now, char *buffer, size_t size);

/** report_health() - "ok" or "fail REASON", with a line break. */
size_t report_health(const struct supervisor *supervisor, char *buffer, size_t size);

/** report_ready() - "ok" or "wait REASON", with a line break. */
size_t report_ready(const struct supervisor *supervisor, char *buffer, size_t size);

/** report_metrics() - Prometheus text exposition format 0.0.4. */
size_t report_metrics(const struct supervisor *supervisor, int64_t now, uint64_t lines_dropped,
		      char *buffer, size_t size);
