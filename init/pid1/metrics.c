/*
 * The metrics: Prometheus' text exposition format 0.0.4. First what is always there, then the
 * forwards, as many as the buffer has room for, and last how many are missing: all of them were
 * counted before the first one was written, so nothing is ever cut off.
 */
#include "init/pid1/forwards.h"
#include "init/pid1/report.h"
#include "lib/util.h"

#include <inttypes.h>
#include <stdarg.h>

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
	char probe[PROBE_CHOICE_SIZE];

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
	probe_choice_text(&guest->probe, probe);
	head(text, "probe_state", "gauge", "1 for what the probe of [health] probe found.");
	for (int state = 0; state < N_RDP_STATES; state++)
		add(text, "casement_probe_state{probe=\"%s\",state=\"%s\"} %d\n", probe,
		    rdp_state_name((enum rdp_state)state),
		    guest_probe_state(guest) == (enum rdp_state)state);
	head(text, "stop_phase", "gauge", "1 for the phase of the guest's shutdown.");
	for (int phase = 0; phase < N_STOP_PHASES; phase++)
		add(text, "casement_stop_phase{phase=\"%s\"} %d\n",
		    stop_phase_name((enum stop_phase)phase),
		    guest->stop_phase == (enum stop_phase)phase);
}

/* One metric of at most @most forwards. Return: of how many. */
static size_t add_forward_metric(struct text *text, struct forward_table_reader *reader,
				 size_t most, bool bytes)
{
	struct forward_count count;
	struct forward forward;
	size_t shown = 0;
	char listen[12];

	forward_table_rewind(reader);
	for (; shown < most && forward_table_next(reader, &forward, &count); shown++) {
		const uint64_t values[] = { bytes ? count.bytes_in : count.packets_in,
					    bytes ? count.bytes_out : count.packets_out };

		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			add(text,
			    "casement_forward_%s_total{proto=\"%s\",listen=\"%s\",direction="
			    "\"%s\"} %" PRIu64 "\n",
			    bytes ? "bytes" : "packets", forward_proto_name(&forward),
			    forward_listen_text(&forward, listen), i ? "out" : "in", values[i]);
	}
	return shown;
}

static void add_network(struct text *text, struct forward_table_reader *reader)
{
	size_t left = text->size - text->length;
	size_t most = left > FORWARDS_METRICS_ROOM
			      ? (left - FORWARDS_METRICS_ROOM) / FORWARDS_METRIC_ROOM
			      : 0;
	size_t shown;

	most = most < reader->n ? most : reader->n;
	one_value(text, "network_repairs_total", "counter",
		  "How often changes of the packet filter by others were put right.",
		  (double)reader->repairs);
	head(text, "forward_packets_total", "counter", "Packets that a forward let through.");
	add_forward_metric(text, reader, most, false);
	head(text, "forward_bytes_total", "counter", "Bytes that a forward let through.");
	shown = add_forward_metric(text, reader, most, true);
	one_value(text, "forwards_omitted", "gauge", "Forwards that there is no room for.",
		  (double)(reader->n - shown));
}

static void report_network(struct text *text, int fd)
{
	const struct text before = *text;
	struct forward_table_reader reader;

	for (int i = 0; i < FORWARDS_ATTEMPTS; i++) {
		*text = before;
		if (forward_table_begin(&reader, fd) < 0) {
			reader = (struct forward_table_reader){ .fd = -1 };
			add_network(text, &reader);
			return;
		}
		add_network(text, &reader);
		if (!forward_table_is_torn(&reader))
			return;
	}
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
	head(&text, "reloads_total", "counter",
	     "How often services read their configuration again.");
	add(&text, "casement_reloads_total{result=\"ok\"} %" PRIu64 "\n", supervisor->reload.n_ok);
	add(&text, "casement_reloads_total{result=\"failed\"} %" PRIu64 "\n",
	    supervisor->reload.n_failed);
	report_network(&text, supervisor->forwards_fd);
	return text.length;
}
