/*
 * Composer of the datagrams. All changes of one moment go into one datagram, so PID 1 never sees
 * half of them, and wakes once.
 *
 * The latency of a probe differs every time; it is sent with other changes, and by itself only when
 * it differs by a factor of two from what was sent.
 */
#include "init/guest/report.h"

#include "lib/util.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>

struct text {
	size_t used;
	char bytes[2048];
};

PRINTF_LIKE(2, 3) static void add(struct text *text, const char *format, ...)
{
	size_t room = sizeof(text->bytes) - text->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text->bytes + text->used, room, format, arguments);
	va_end(arguments);
	/* A field that does not fit is left out as a whole. */
	if (n > 0 && (size_t)n < room)
		text->used += (size_t)n;
	else
		text->bytes[text->used] = '\0';
}

/** add_text() - A field of free text: line breaks would end it. */
static void add_text(struct text *text, const char *name, const char *value)
{
	char clean[256];

	snprintf(clean, sizeof(clean), "%s", value);
	for (char *at = clean; *at; at++) {
		if ((unsigned char)*at < ' ')
			*at = ' ';
	}
	add(text, "%s=%s\n", name, clean);
}

static bool differs_much(uint64_t a, uint64_t b)
{
	return a > b * 2 || b > a * 2;
}

/** add_probe() - Of RDP nothing is said unless it is RDP that is probed. */
static void add_probe(struct text *text, const struct report_facts *old,
		      const struct report_facts *new, bool all)
{
	bool changed = all || new->probe_state != old->probe_state;
	char name[PROBE_CHOICE_SIZE];

	if (all)
		add(text, WIRE_PROBE "=%s\n", probe_choice_text(&new->probe, name));
	if (changed)
		add(text, "%s=%s\n", new->probe.kind == PROBE_BY_RDP ? WIRE_RDP : WIRE_PROBE_STATE,
		    rdp_state_name(new->probe_state));
}

static void add_guest(struct text *text, const struct report_facts *old,
		      const struct report_facts *new, bool all)
{
	if (all || new->state != old->state)
		add(text, WIRE_GUEST_STATE "=%s\n", guest_state_name(new->state));
	if (all || !streq(new->reason, old->reason))
		add_text(text, WIRE_GUEST_REASON, new->reason);
	if (all || new->pid != old->pid)
		add(text, WIRE_GUEST_PID "=%d\n", (int)new->pid);
	if (new->address[0] && (all || !streq(new->address, old->address)))
		add(text, WIRE_GUEST_ADDRESS "=%s\n", new->address);
	add_probe(text, old, new, all);
	if (new->boots && (all || new->boots != old->boots))
		add(text, WIRE_BOOTS "=%u\n", new->boots);
	if (all || new->phase != old->phase)
		add(text, WIRE_STOP_PHASE "=%s\n", stop_phase_name(new->phase));
}

/** add_start() - How it came up, and whether it is being frozen. */
static void add_start(struct text *text, const struct report_facts *old,
		      const struct report_facts *new, bool all)
{
	/* Why it is so may have been known before. */
	bool started = new->start && (all || new->start != old->start ||
				      !streq(new->start_reason, old->start_reason));

	if (started) {
		add(text, WIRE_START "=%s\n", guest_start_name(new->start));
		add_text(text, WIRE_START_REASON, new->start_reason);
	}
	if (new->cpu && (all || new->cpu != old->cpu))
		add_text(text, WIRE_CPU, new->cpu);
	if (new->frozen[0] && (all || !streq(new->frozen, old->frozen)))
		add_text(text, WIRE_FROZEN, new->frozen);
	/* What a casement-guest before this one was at PID 1 knows better. */
	if (new->freeze && (all || new->freeze != old->freeze))
		add(text, WIRE_FREEZE "=%s\n", freeze_state_name(new->freeze));
	if (new->freeze && (all || !streq(new->freeze_reason, old->freeze_reason)))
		add_text(text, WIRE_FREEZE_REASON, new->freeze_reason);
}

void report_send(struct report *report, const struct report_facts *facts)
{
	const struct report_facts *old = &report->last;
	struct text text = { .used = 0 };
	uint64_t latency = old->latency;

	if (facts->known) {
		add_guest(&text, old, facts, !old->known);
		add_start(&text, old, facts, !old->known);
	}
	if (facts->known && facts->latency &&
	    (text.used || differs_much(facts->latency, old->latency))) {
		latency = facts->latency;
		if (latency != old->latency)
			add(&text, WIRE_RDP_LATENCY_US "=%llu\n", (unsigned long long)latency);
	}
	if (facts->ready && !old->ready)
		add(&text, "READY=1\n");
	if (facts->stopping && !old->stopping)
		add(&text, "STOPPING=1\n");
	if (!report->sent || !streq(facts->status, old->status))
		add_text(&text, "STATUS", facts->status);
	if (text.used)
		sd_notify(0, text.bytes);
	report->sent = true;
	report->last = *facts;
	report->last.latency = latency;
}

void report_hangs(const char *service)
{
	sd_notifyf(0, WIRE_HANGS "=%s", service);
}

void report_extend(int64_t ms)
{
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", (long long)ms * 1000);
}
