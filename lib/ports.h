/*
 * Lists of ports as people write them: `22`, `22/tcp`, `5000-5010/udp`. They lead nowhere else, so
 * each is a forward to itself. Pure text, no I/O.
 */
#pragma once

#include "lib/forward.h"

/**
 * ports_parse() - Read a list of ports, separated by spaces or commas.
 * @text: PORT[-LAST][/tcp|/udp], without a protocol both tcp and udp
 * @report: called once for every mistake, may be NULL
 * @context: passed to @report
 * @ret_ports: allocated array, sorted by protocol and port; guest_first is listen_first; untouched
 * on failure
 * @ret_n: its length
 *
 * What overlaps or touches becomes one, and keeps the place of the entry that begins first.
 *
 * Return: 0, -EINVAL when something was reported, or -ENOMEM.
 */
int ports_parse(const char *text, forward_report_fn *report, void *context,
		struct forward **ret_ports, size_t *ret_n);
