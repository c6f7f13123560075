/*
 * What services say. The input is a sequence of datagrams that end with a zero byte; the first byte
 * of each says which of the services speaks and whether time goes by. Afterwards every answer of
 * the status socket must be well-formed.
 */
#include "fuzz.h"

#include "init/pid1/notify.h"
#include "init/pid1/report.h"
#include "lib/log.h"
#include "lib/util.h"
#include "tests/unit/fake_effects.h"
#include "tests/unit/json_reader.h"

#include <sys/wait.h>

static char guest_name[] = "windows", service_names[3][2] = { "a", "b", "m" };

static void drop_line(void *context, enum log_level level, const char *text, size_t length)
{
	(void)context;
	(void)level;
	PROMISE(length > 0 && text);
}

static void make_config(struct config *config)
{
	*config =
		(struct config){ .n_services = 3, .guest.name = guest_name, .stop.timeout = 5000 };
	for (size_t i = 0; i < config->n_services; i++)
		config->services[i] = (struct service_config){
			.name = service_names[i],
			.type = i == 1 ? SERVICE_SIMPLE : SERVICE_NOTIFY,
			.restart = RESTART_ALWAYS,
			.backoff = 10,
			.backoff_max = 1000,
			.restart_limit = 5,
			.start_timeout = 1000,
			.stop_timeout = 1000,
			.stop_signal = 15,
			.reload_signal = i ? 1 : 0,
			.watchdog = i ? 0 : 500,
			.main = i == 2,
			.critical = i == 0,
		};
}

static void check_answers(const struct supervisor *supervisor, int64_t now)
{
	static char answer[REPORT_MAX];
	size_t length = report_status(supervisor, now, answer, sizeof(answer));

	PROMISE(length > 1 && length <= sizeof(answer) && answer[length - 1] == '\n');
	PROMISE(json_is_valid(answer, length - 1));
	length = report_metrics(supervisor, now, 0, answer, sizeof(answer));
	PROMISE(length > 0 && length < sizeof(answer) && answer[length - 1] == '\n');
	length = report_health(supervisor, answer, sizeof(answer));
	PROMISE(memchr(answer, '\n', length) == answer + length - 1);
	length = report_ready(supervisor, answer, sizeof(answer));
	PROMISE(memchr(answer, '\n', length) == answer + length - 1);
}

/* The first byte: two bits of whom, one each for an end, for time, for a stop. */
static void happen(struct supervisor *supervisor, uint8_t what, int64_t *now)
{
	struct service *service = &supervisor->services[what % 3];

	if (what & 0x10)
		*now += 300;
	if (what & 0x20 && service->pid)
		supervisor_reaped(supervisor, service->pid, W_EXITCODE(what & 1, 0), *now);
	if (what & 0x40)
		supervisor_reaped(supervisor, 500 + (what & 3), W_EXITCODE(0, 9), *now);
	if ((what & 0x88) == 0x88)
		supervisor_stop(supervisor, "SIGTERM", *now);
	supervisor_step(supervisor, *now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct supervisor supervisor;
	struct fake fake;
	int64_t now = 1000000;

	log_redirect(drop_line, NULL);
	make_config(&config);
	fake_init(&fake);
	supervisor_init(&supervisor, &config, &fake.effects, now);
	supervisor_step(&supervisor, now);
	while (size) {
		const uint8_t *end = memchr(data, '\0', size);
		size_t length = end ? (size_t)(end - data) : size;
		uint8_t what = data[0];
		char text[NOTIFY_MAX];

		if (length) {
			size_t n = length - 1 < sizeof(text) - 1 ? length - 1 : sizeof(text) - 1;

			memcpy(text, data + 1, n);
			text[n] = '\0';
			if (supervisor.services[what % 3].pid)
				supervisor_datagram(&supervisor, &supervisor.services[what % 3],
						    text, now);
			happen(&supervisor, what, &now);
		}
		fake.log[0] = '\0';
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
	check_answers(&supervisor, now);
	return 0;
}
