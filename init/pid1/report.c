#include "init/pid1/report.h"

#include "init/pid1/json.h"
#include "lib/util.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#define GUEST_NAME_MAX 128

static void report_guest(struct json *json, const struct supervisor *supervisor, int64_t now)
{
	const struct guest *guest = &supervisor->guest;
	const char *name = supervisor->config->guest.name;

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
	if (guest->dead && WIFSIGNALED(guest->wait_status))
		json_number(json, "signal", WTERMSIG(guest->wait_status));
	else if (guest->dead)
		json_number(json, "exit_code", WEXITSTATUS(guest->wait_status));
	json_object_end(json);
}

static void report_forward(struct json *json, const struct forward *forward, const char *address)
{
	char listen[12], guest[12], target[INET_ADDRSTRLEN + 16];

	snprintf(target, sizeof(target), "%s:%s", address, forward_guest_text(forward, guest));
	json_object_begin(json, NULL);
	json_string(json, "proto", forward_proto_name(forward));
	json_string(json, "listen", forward_listen_text(forward, listen));
	json_string(json, "guest", target);
	json_object_end(json);
}

static void report_forwards(struct json *json, const struct supervisor *supervisor)
{
	const struct network_config *network = &supervisor->config->network;
	size_t whole = json->size, i;

	json_array_begin(json, "forwards");
	json->size -= REPORT_FIXED;
	for (i = 0; i < network->n_forwards && supervisor->guest.address[0]; i++) {
		struct json before = *json;

		report_forward(json, &network->forwards[i], supervisor->guest.address);
		if (json->truncated) {
			*json = before;
			break;
		}
	}
	json->size = whole;
	json_array_end(json);
	if (supervisor->guest.address[0] && i < network->n_forwards)
		json_number(json, "forwards_omitted", (int64_t)(network->n_forwards - i));
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
	report_forwards(&json, supervisor);
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

/*
 * Text into a fixed buffer; once something did not fit nothing follows it, so that no line is cut
 * in the middle.
 */
struct text {
	char *at;
	size_t size, length;
	bool full;
};

static void add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	if (text->full)
		return;
	va_start(arguments, format);
	n = vsnprintf(text->at + text->length, text->size - text->length, format, arguments);
	va_end(arguments);
	text->full = n < 0 || (size_t)n >= text->size - text->length;
	if (!text->full)
		text->length += (size_t)n;
}

static void head(struct text *text, const char *name, const char *type, const char *help)
{
	add(text, "# HELP casement_%s %s\n# TYPE casement_%s %s\n", name, help, name, type);
}

static void one_value(struct text *text, const char *name, const char *type, const char *help,
		      double value)
{
	head(text, name, type, help);
	add(text, "casement_%s %.15g\n", name, value);
}

static void report_guest_metrics(struct text *text, const struct guest *guest, int64_t now)
{
	head(text, "guest_state", "gauge", "1 for the state that the guest is in.");
	for (int state = 0; state < N_GUEST_STATES; state++)
		add(text, "casement_guest_state{state=\"%s\"} %d\n",
		    guest_state_name((enum guest_state)state),
		    guest->state == (enum guest_state)state);
	one_value(text, "guest_state_seconds", "gauge",
		  "Time that the guest has been in its state.",
		  (double)(now - guest->since) / 1000);
	one_value(text, "guest_boots_total", "counter", "How often the guest booted.",
		  guest->boots);
	head(text, "rdp_state", "gauge", "1 for what the guest's RDP port does.");
	for (int state = 0; state < N_RDP_STATES; state++)
		add(text, "casement_rdp_state{state=\"%s\"} %d\n",
		    rdp_state_name((enum rdp_state)state), guest->rdp == (enum rdp_state)state);
	one_value(text, "rdp_latency_seconds", "gauge",
		  "Duration of the last RDP handshake that succeeded.",
		  guest->rdp_latency_us / 1e6);
	head(text, "stop_phase", "gauge", "1 for the phase of the guest's shutdown.");
	for (int phase = 0; phase < N_STOP_PHASES; phase++)
		add(text, "casement_stop_phase{phase=\"%s\"} %d\n",
		    stop_phase_name((enum stop_phase)phase),
		    guest->stop_phase == (enum stop_phase)phase);
}

size_t report_metrics(const struct supervisor *supervisor, int64_t now, uint64_t lines_dropped,
		      char *buffer, size_t size)
{
	struct text text = { .at = buffer, .size = size };

	head(&text, "info", "gauge", "Version of casement.");
	add(&text, "casement_info{version=\"%s\"} 1\n", CASEMENT_VERSION);
	head(&text, "state", "gauge", "1 for the state that the container is in.");
	for (int state = 0; state <= OVERALL_FAILED; state++)
		add(&text, "casement_state{state=\"%s\"} %d\n",
		    overall_state_name((enum overall_state)state),
		    supervisor->overall == (enum overall_state)state);
	one_value(&text, "state_seconds", "gauge", "Time that the container has been in its state.",
		  (double)(now - supervisor->overall_since) / 1000);
	one_value(&text, "uptime_seconds", "gauge", "Time since PID 1 started.",
		  (double)(now - supervisor->booted) / 1000);
	report_guest_metrics(&text, &supervisor->guest, now);
	head(&text, "service_up", "gauge", "1 if the service is ready.");
	for (size_t i = 0; i < supervisor->n_services; i++)
		add(&text, "casement_service_up{service=\"%s\"} %d\n",
		    supervisor->services[i].config->name,
		    supervisor->services[i].state == SERVICE_READY);
	head(&text, "service_restarts_total", "counter",
	     "How often the service was started again.");
	for (size_t i = 0; i < supervisor->n_services; i++)
		add(&text, "casement_service_restarts_total{service=\"%s\"} %u\n",
		    supervisor->services[i].config->name, supervisor->services[i].restarts);
	one_value(&text, "reaped_total", "counter", "Processes that PID 1 reaped.",
		  (double)supervisor->reaped);
	one_value(&text, "log_lines_dropped_total", "counter", "Lines that nobody read in time.",
		  (double)lines_dropped);
	return text.length;
}
