#include "init/pid1/forwards.h"

#include "init/pid1/report.h"
#include "lib/log.h"
#include "lib/util.h"

void forwards_take(struct supervisor *supervisor, const struct service *service, int *passed)
{
	int result = forward_table_accept(*passed);

	if (result < 0) {
		log_warning("%s: what it passed is no table of forwards: %s", service->config->name,
			    strerror(-result));
		return;
	}
	if (supervisor->forwards_fd >= 0)
		close(supervisor->forwards_fd);
	supervisor->forwards_fd = take_fd(passed);
	supervisor->changes++;
}

const char *forwards_listen_text(const struct forward *forward, char buffer[static 12])
{
	return forward->all ? memcpy(buffer, "all", sizeof("all"))
			    : forward_listen_text(forward, buffer);
}

/* A member of type int64_t for a counter that another process wrote. */
static void add_count(struct json *json, const char *name, uint64_t count)
{
	json_number(json, name, count < INT64_MAX ? (int64_t)count : INT64_MAX);
}

static void add_forward(struct json *json, const struct forward *forward,
			const struct forward_count *count, const char *address)
{
	char listen[12], ports[12], target[INET_ADDRSTRLEN + 16];

	snprintf(target, sizeof(target), "%s:%s", address,
		 forward->all ? "all" : forward_guest_text(forward, ports));
	json_object_begin(json, NULL);
	json_string(json, "proto", forward_proto_name(forward));
	json_string(json, "listen", forwards_listen_text(forward, listen));
	json_string(json, "guest", target);
	add_count(json, "packets_in", count->packets_in);
	add_count(json, "bytes_in", count->bytes_in);
	add_count(json, "packets_out", count->packets_out);
	add_count(json, "bytes_out", count->bytes_out);
	json_object_end(json);
}

/* Return: how many are shown. What does not fit into the buffer is left out as a whole. */
static size_t add_forwards(struct json *json, struct forward_table_reader *reader,
			   const char *address)
{
	struct forward_count count;
	struct forward forward;
	size_t shown = 0;

	while (forward_table_next(reader, &forward, &count)) {
		struct json before = *json;

		add_forward(json, &forward, &count, address);
		if (json->truncated) {
			*json = before;
			break;
		}
		shown++;
	}
	return shown;
}

void forwards_report(struct json *json, const struct supervisor *supervisor)
{
	const char *address = supervisor->guest.address;
	struct forward_table_reader reader;
	size_t whole = json->size, shown = 0;
	struct json before;
	bool any = false;

	json_array_begin(json, "forwards");
	json->size = whole > REPORT_FIXED ? whole - REPORT_FIXED : 0;
	before = *json;
	for (int i = 0; i < FORWARDS_ATTEMPTS; i++) {
		*json = before;
		any = forward_table_begin(&reader, supervisor->forwards_fd) == 0;
		/* Without an address nobody has said yet where they lead. */
		shown = any && address[0] ? add_forwards(json, &reader, address) : 0;
		if (!any || !forward_table_is_torn(&reader))
			break;
	}
	json->size = whole;
	json_array_end(json);
	if (any && address[0] && shown < reader.n)
		json_number(json, "forwards_omitted", (int64_t)(reader.n - shown));
	json_object_begin(json, "network");
	add_count(json, "repairs", any ? reader.repairs : 0);
	json_object_end(json);
}
