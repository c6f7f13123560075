#include "init/pid1/report.h"

#include "init/pid1/forwards.h"
#include "lib/util.h"

#include <signal.h>
#include <sys/wait.h>

#define GUEST_NAME_MAX 128

static void report_guest(struct json *json, const struct supervisor *supervisor, int64_t now)
{
	const struct guest *guest = &supervisor->guest;
	const char *name = supervisor->config->guest.name;
	char probe[PROBE_CHOICE_SIZE];

	json_object_begin(json, "guest");
	/* The one text that the configuration does not bound; a name that long is no domain's. */
	json_bytes(json, "name", name, strnlen(name, GUEST_NAME_MAX));
	json_string(json, "state", guest_state_name(guest->state));
	json_string(json, "reason", guest->reason);
	json_string(json, "address", guest->address);
	json_number(json, "pid", guest->dead ? 0 : guest->pid);
	json_string(json, "rdp", rdp_state_name(guest->rdp));
	json_number(json, "boots", guest->boots);
	json_number(json, "since_ms", now - guest->since);
	json_number(json, "rdp_latency_us", guest->rdp_latency_us);
	json_string(json, "stop_phase", stop_phase_name(guest->stop_phase));
	json_string(json, "probe", probe_choice_text(&guest->probe, probe));
	json_string(json, "probe_state", rdp_state_name(guest_probe_state(guest)));
	json_string(json, "start", guest_start_name(guest->start));
	json_string(json, "start_reason", guest->start_reason);
	json_string(json, "cpu", guest->cpu);
	json_string(json, "freeze", freeze_state_name(guest->freeze));
	json_string(json, "freeze_reason", guest->freeze_reason);
	json_string(json, "frozen", guest->frozen);
	if (guest->dead && WIFSIGNALED(guest->wait_status))
		json_number(json, "signal", WTERMSIG(guest->wait_status));
	else if (guest->dead)
		json_number(json, "exit_code", WEXITSTATUS(guest->wait_status));
	json_object_end(json);
}

static void report_reload(struct json *json, const struct reload *reload, int64_t now)
{
	json_object_begin(json, "reload");
	json_string(json, "result", reload_result_name(reload->result));
	json_string(json, "reason", reload->reason);
	json_number(json, "since_ms", now - reload->since);
	json_object_end(json);
}

static void report_service(struct json *json, const struct service *service, int64_t now)
{
	json_object_begin(json, NULL);
	json_string(json, "name", service->config->name);
	json_string(json, "state", service_state_name(service->state));
	json_number(json, "pid", service->pid);
	json_number(json, "restarts", service->restarts);
	json_string(json, "status", service->status);
	json_string(json, "problem", service->problem);
	json_number(json, "since_ms", now - service->since);
	json_object_end(json);
}

size_t report_status(const struct supervisor *supervisor, int64_t now, char *buffer, size_t size)
{
	struct json json = { .at = buffer, .size = size - 1 };

	json_object_begin(&json, NULL);
	json_string(&json, "version", CASEMENT_VERSION);
	json_string(&json, "state", overall_state_name(supervisor->overall));
	json_string(&json, "reason", supervisor->overall_reason);
	json_number(&json, "since_ms", now - supervisor->overall_since);
	json_number(&json, "uptime_ms", now - supervisor->booted);
	report_guest(&json, supervisor, now);
	forwards_report(&json, supervisor);
	report_reload(&json, &supervisor->reload, now);
	json_array_begin(&json, "services");
	for (size_t i = 0; i < supervisor->n_services; i++)
		report_service(&json, &supervisor->services[i], now);
	json_array_end(&json);
	json_number(&json, "reaped", (int64_t)supervisor->reaped);
	json_object_end(&json);
	buffer[json.length] = '\n';
	return json.length + 1;
}

static size_t word_and_reason(const char *word, const char *reason, char *buffer, size_t size)
{
	return (size_t)snprintf(buffer, size, "%s%s%s\n", word, reason ? " " : "",
				reason ? reason : "");
}

size_t report_health(const struct supervisor *supervisor, char *buffer, size_t size)
{
	const char *reason = supervisor_health(supervisor);

	return word_and_reason(reason ? "fail" : "ok", reason, buffer, size);
}

size_t report_ready(const struct supervisor *supervisor, char *buffer, size_t size)
{
	bool ready = supervisor->overall == OVERALL_READY;
	const char *reason = supervisor->overall_reason[0]
				     ? supervisor->overall_reason
				     : overall_state_name(supervisor->overall);

	return word_and_reason(ready ? "ok" : "wait", ready ? NULL : reason, buffer, size);
}
