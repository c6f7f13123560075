#include "init/ctl/show.h"

#include "init/ctl/show_forwards.h"
#include "init/ctl/value.h"
#include "lib/util.h"

#include <errno.h>
#include <signal.h>

static const char *colour_of(const char *state)
{
	static const char *const good[] = { "ready", "running", "answering", "ok" };
	static const char *const bad[] = { "failed", "crashed", "degraded", "paused", "backoff" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (streq(state, good[i]))
			return "\x1b[32m";
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (streq(state, bad[i]))
			return "\x1b[31m";
	}
	return "\x1b[33m";
}

static void put_state(FILE *out, const char *state, int width, bool coloured)
{
	if (coloured)
		fprintf(out, "%s%-*s\x1b[0m", colour_of(state), width, state);
	else
		fprintf(out, "%-*s", width, state);
}

static void put_reason(FILE *out, const char *reason)
{
	if (*reason)
		fprintf(out, "  (%s)", reason);
	fputc('\n', out);
}

/** show_probe() - What shows that the guest is ready, and what that found. */
static void show_probe(FILE *out, const json_t *guest, bool coloured)
{
	const char *probe = text_of(guest, "probe");
	/* An older casement has RDP alone. */
	bool rdp = !*probe || streq(probe, "rdp");
	const char *state = rdp ? text_of(guest, "rdp") : text_of(guest, "probe_state");

	if (streq(probe, "none"))
		return;
	fprintf(out, "%-9s  ", rdp ? "rdp" : probe);
	put_state(out, state, 0, coloured);
	if (rdp && streq(state, "answering"))
		fprintf(out, " in %.1f ms", (double)number_of(guest, "rdp_latency_us") / 1000);
	fputc('\n', out);
}

/** show_start() - How it came up: only where it did not just boot. */
static void show_start(FILE *out, const json_t *guest)
{
	const char *start = text_of(guest, "start"), *reason = text_of(guest, "start_reason");

	if (streq(start, "resumed") || streq(start, "warm"))
		fprintf(out, ", %s", start);
	else if (streq(start, "cold") && *reason)
		fprintf(out, ", cold: %s", reason);
}

static void show_freeze(FILE *out, const json_t *guest, bool coloured)
{
	const char *freeze = text_of(guest, "freeze"), *reason = text_of(guest, "freeze_reason");

	if (!*freeze || streq(freeze, "none"))
		return;
	fputs("freeze     ", out);
	put_state(out, freeze, 0, coloured);
	fprintf(out, "%s%s\n", *reason ? ": " : "", reason);
}

static void show_guest(FILE *out, const json_t *status, bool coloured)
{
	const json_t *guest = json_object_get(status, "guest");
	char since[32];

	fputs("guest      ", out);
	put_state(out, text_of(guest, "state"), 0, coloured);
	fprintf(out, " for %s", duration(number_of(guest, "since_ms"), since, sizeof(since)));
	if (number_of(guest, "pid"))
		fprintf(out, ", QEMU pid %lld, boot %lld", number_of(guest, "pid"),
			number_of(guest, "boots"));
	show_start(out, guest);
	if (json_object_get(guest, "signal"))
		fprintf(out, ", QEMU was killed by SIG%s",
			sigabbrev_np((int)number_of(guest, "signal")));
	put_reason(out, text_of(guest, "reason"));
	show_probe(out, guest, coloured);
	show_freeze(out, guest, coloured);
	if (!streq(text_of(guest, "stop_phase"), "none"))
		fprintf(out, "stop       %s\n", text_of(guest, "stop_phase"));
}

static void show_reload(FILE *out, const json_t *status, bool coloured)
{
	const json_t *reload = json_object_get(status, "reload");
	const char *result = text_of(reload, "result");
	char since[32];

	if (!*result || streq(result, "none"))
		return;
	fputs("reload     ", out);
	put_state(out, result, 0, coloured);
	duration(number_of(reload, "since_ms"), since, sizeof(since));
	if (streq(result, "running"))
		fprintf(out, " for %s", since);
	else
		fprintf(out, " %s ago", since);
	if (*text_of(reload, "reason"))
		fprintf(out, ": %s", text_of(reload, "reason"));
	fputc('\n', out);
}

static void show_services(FILE *out, const json_t *status, bool coloured)
{
	const json_t *services = json_object_get(status, "services"), *service;
	int width = 7;
	size_t i;

	json_array_foreach(services, i, service)
	{
		int length = (int)strlen(text_of(service, "name"));

		width = length > width ? length : width;
	}
	fprintf(out, "\n%-*s  %-8s  %6s  %8s  %s\n", width, "SERVICE", "STATE", "PID", "RESTARTS",
		"STATUS");
	json_array_foreach(services, i, service)
	{
		const char *problem = text_of(service, "problem");

		fprintf(out, "%-*s  ", width, text_of(service, "name"));
		put_state(out, text_of(service, "state"), 8, coloured);
		if (number_of(service, "pid"))
			fprintf(out, "  %6lld", number_of(service, "pid"));
		else
			fprintf(out, "  %6s", "-");
		fprintf(out, "  %8lld  %s\n", number_of(service, "restarts"),
			*problem ? problem : text_of(service, "status"));
	}
}

int show_status(FILE *out, const char *json, bool coloured)
{
	json_t *status = json_loads(json, 0, NULL);
	char since[32], uptime[32];

	if (!status || !json_is_object(json_object_get(status, "guest"))) {
		json_decref(status);
		return -EBADMSG;
	}
	fputs("container  ", out);
	put_state(out, text_of(status, "state"), 0, coloured);
	fprintf(out, " for %s, up %s, casement %s",
		duration(number_of(status, "since_ms"), since, sizeof(since)),
		duration(number_of(status, "uptime_ms"), uptime, sizeof(uptime)),
		text_of(status, "version"));
	put_reason(out, text_of(status, "reason"));
	show_guest(out, status, coloured);
	show_forwards(out, status);
	show_reload(out, status, coloured);
	show_services(out, status, coloured);
	json_decref(status);
	return 0;
}
