/*
 * What services say: sd_notify(3) fields and our own (lib/wire.h). Fields that nobody knows are
 * ignored, as the protocol wants.
 */
#include "init/pid1/supervisor.h"

#include "lib/forward_table.h"
#include "lib/log.h"
#include "lib/util.h"
#include "lib/value.h"

#include <arpa/inet.h>
#include <limits.h>

/* Text from a child goes into logs and JSON: one line, printable, and cut to what fits. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++) {
		bool control = *from == 0x7f || (*from > 0 && *from < ' ');

		to[n++] = *from;
		if (control)
			to[n - 1] = (char)0x20; /* a blank */
	}
	/* Do not end inside a UTF-8 sequence: what follows continues it. */
	if (((unsigned char)*from & 0xc0) == 0x80) {
		while (n && ((unsigned char)to[n - 1] & 0xc0) == 0x80)
			n--;
		if (n && ((unsigned char)to[n - 1] & 0xc0) == 0xc0)
			n--;
	}
	to[n] = '\0';
}

static void set_guest_state(struct guest *guest, const char *value, int64_t now)
{
	int state = guest_state_parse(value);

	if (state < 0)
		return;
	if ((enum guest_state)state != guest->state || !guest->reported)
		guest->since = now;
	guest->state = (enum guest_state)state;
	guest->reported = true;
	if (guest->state == GUEST_STARTING)
		guest->answered = false;
}

/** set_probe() - Another kind of probe has found nothing out yet. */
static void set_probe(struct guest *guest, const char *value)
{
	struct probe_choice choice;

	if (probe_choice_parse(value, &choice) ||
	    (choice.kind == guest->probe.kind && choice.port == guest->probe.port))
		return;
	guest->probe = choice;
	guest->rdp = guest->probe_state = RDP_UNKNOWN;
	guest->rdp_latency_us = 0;
	guest->answered = false;
}

/** set_boots() - What it answered before it booted again does not count. */
static void set_boots(struct guest *guest, unsigned boots)
{
	if (boots != guest->boots)
		guest->answered = false;
	guest->boots = boots;
}

/** set_freeze() - A guest that is frozen is the container's end, whatever else follows the end of
 * a guest. */
static void set_freeze(struct supervisor *supervisor, const char *value, int64_t now)
{
	int index = freeze_state_parse(value);

	if (index < 0)
		return;
	supervisor->guest.freeze = (enum freeze_state)index;
	if (index == FREEZE_DONE)
		supervisor_stop(supervisor, "the guest is frozen", now);
}

/*
 * Our own fields. Only the main service keeps a guest; the address comes from whoever made the
 * network.
 */
static void take_guest_field(struct supervisor *supervisor, const struct service *service,
			     const char *name, const char *value, int64_t now)
{
	struct guest *guest = &supervisor->guest;
	struct in_addr address;
	unsigned number;
	int index;

	if (streq(name, WIRE_GUEST_ADDRESS)) {
		if (inet_pton(AF_INET, value, &address) == 1)
			copy_text(guest->address, sizeof(guest->address), value);
		return;
	}
	if (service != supervisor->main)
		return;
	if (streq(name, WIRE_GUEST_STATE)) {
		set_guest_state(guest, value, now);
	} else if (streq(name, WIRE_GUEST_REASON)) {
		copy_text(guest->reason, sizeof(guest->reason), value);
	} else if (streq(name, WIRE_GUEST_PID) && !value_unsigned(value, 0, INT_MAX, &number)) {
		supervisor_guest_pid(supervisor, (pid_t)number, now);
	} else if (streq(name, WIRE_RDP)) {
		index = rdp_state_parse(value);
		if (index >= 0)
			guest->rdp = (enum rdp_state)index;
	} else if (streq(name, WIRE_PROBE)) {
		set_probe(guest, value);
	} else if (streq(name, WIRE_PROBE_STATE)) {
		index = rdp_state_parse(value);
		if (index >= 0)
			guest->probe_state = (enum rdp_state)index;
	} else if (streq(name, WIRE_STOP_PHASE)) {
		index = stop_phase_parse(value);
		if (index >= 0)
			guest->stop_phase = (enum stop_phase)index;
	} else if (streq(name, WIRE_START)) {
		index = guest_start_parse(value);
		if (index >= 0)
			guest->start = (enum guest_start)index;
	} else if (streq(name, WIRE_START_REASON)) {
		copy_text(guest->start_reason, sizeof(guest->start_reason), value);
	} else if (streq(name, WIRE_CPU)) {
		copy_text(guest->cpu, sizeof(guest->cpu), value);
	} else if (streq(name, WIRE_FREEZE)) {
		set_freeze(supervisor, value, now);
	} else if (streq(name, WIRE_FREEZE_REASON)) {
		copy_text(guest->freeze_reason, sizeof(guest->freeze_reason), value);
	} else if (streq(name, WIRE_FROZEN)) {
		copy_text(guest->frozen, sizeof(guest->frozen), value);
	} else if (streq(name, WIRE_RDP_LATENCY_US) &&
		   !value_unsigned(value, 0, INT_MAX, &number)) {
		guest->rdp_latency_us = number;
	} else if (streq(name, WIRE_HANGS)) {
		supervisor_accuse(supervisor, service, value, now);
	} else if (streq(name, WIRE_BOOTS) && !value_unsigned(value, 0, INT_MAX, &number)) {
		set_boots(guest, number);
	}
}

static void take_field(struct supervisor *supervisor, struct service *service, const char *name,
		       const char *value, int64_t now)
{
	char *end;

	if (streq(name, "STATUS")) {
		copy_text(service->status, sizeof(service->status), value);
	} else if (streq(name, "WATCHDOG") && streq(value, "1")) {
		service_feed(service, now);
		return; /* nothing that the status shows */
	} else if (streq(name, "EXTEND_TIMEOUT_USEC")) {
		unsigned long long usec = strtoull(value, &end, 10);

		if (!*end && usec / 1000 < INT_MAX)
			service_extend(service, (int64_t)(usec / 1000), now);
		return;
	} else if (strncmp(name, "X_CASEMENT_", 11) == 0) {
		take_guest_field(supervisor, service, name, value, now);
	}
	supervisor->changes++;
}

/* What only means something together with other fields of the same datagram. */
struct said {
	bool ready, reloading, stores, names_forwards, reload_failed;
	char reload_reason[sizeof(((struct reload *)NULL)->reason)];
};

/* Return: whether the field is one of these. */
static bool take_said(struct said *said, const char *name, const char *value)
{
	if (streq(name, "READY"))
		said->ready = streq(value, "1");
	else if (streq(name, "RELOADING"))
		said->reloading = streq(value, "1");
	else if (streq(name, "FDSTORE"))
		said->stores = streq(value, "1");
	else if (streq(name, "FDNAME"))
		said->names_forwards = streq(value, FORWARD_TABLE_NAME);
	else if (streq(name, WIRE_RELOAD))
		said->reload_failed = streq(value, "failed");
	else if (streq(name, WIRE_RELOAD_REASON))
		copy_text(said->reload_reason, sizeof(said->reload_reason), value);
	else
		return false;
	return true;
}

/* Why the reload failed; NULL: it did not. */
static const char *failure_of(const struct said *said)
{
	if (!said->reload_failed)
		return NULL;
	return said->reload_reason[0] ? said->reload_reason : "it gave no reason";
}

bool supervisor_datagram(struct supervisor *supervisor, struct service *service, char *text,
			 int64_t now)
{
	struct said said = { 0 };

	for (char *line = text, *next; line && *line; line = next) {
		char *equals;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		equals = strchr(line, '=');
		if (!equals)
			continue;
		*equals = '\0';
		if (!take_said(&said, line, equals + 1))
			take_field(supervisor, service, line, equals + 1, now);
	}
	if (said.reloading)
		reload_begun(supervisor, service, now);
	if (said.ready)
		reload_answered(supervisor, service, failure_of(&said), now);
	supervisor_event(supervisor, service, said.ready ? SERVICE_SAID_READY : SERVICE_SPOKE, now);
	return said.stores && said.names_forwards;
}
