#include "init/ctl/show.h"

#include "lib/util.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "850 ms", "42 s", "3 min 5 s", "2 h 10 min", "4 d 3 h": two units at most. */
static const char *duration(long long ms, char *buffer, size_t size)
{
	long long s = ms / 1000;

	if (ms < 1000)
		snprintf(buffer, size, "%lld ms", ms);
	else if (s < 60)
		snprintf(buffer, size, "%lld s", s);
	else if (s < 3600)
		snprintf(buffer, size, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else
		snprintf(buffer, size, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	return buffer;
}

static const char *colour_of(const char *state)
{
	static const char *const good[] = { "ready", "running", "answering" };
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
	if (json_object_get(guest, "signal"))
		fprintf(out, ", QEMU was killed by SIG%s",
			sigabbrev_np((int)number_of(guest, "signal")));
	put_reason(out, text_of(guest, "reason"));
	fputs("rdp        ", out);
	put_state(out, text_of(guest, "rdp"), 0, coloured);
	if (streq(text_of(guest, "rdp"), "answering"))
		fprintf(out, " in %.1f ms", (double)number_of(guest, "rdp_latency_us") / 1000);
	fputc('\n', out);
	if (!streq(text_of(guest, "stop_phase"), "none"))
		fprintf(out, "stop       %s\n", text_of(guest, "stop_phase"));
}

static void show_forwards(FILE *out, const json_t *status)
{
	const json_t *forwards = json_object_get(status, "forwards"), *forward;
	size_t i;

	json_array_foreach(forwards, i, forward)
		fprintf(out, "%-10s %s/%s -> %s\n", i ? "" : "forwards", text_of(forward, "listen"),
			text_of(forward, "proto"), text_of(forward, "guest"));
	if (number_of(status, "forwards_omitted"))
		fprintf(out, "%-10s and %lld more\n", "", number_of(status, "forwards_omitted"));
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
	show_services(out, status, coloured);
	json_decref(status);
	return 0;
}
