/* The answers of the status socket: JSON that a strict reader reads, bounded whatever is in it, and
 * Prometheus text. */
#include "init/pid1/report.h"

#include "json_reader.h"
#include "lib/forward_table.h"
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char answer[REPORT_MAX];
static char name[] = "windows";

static int enter_named(void **state)
{
	enter(state);
	((struct fixture *)*state)->config.guest.name = name;
	return 0;
}

#define REPORT_TEST(test) cmocka_unit_test_setup_teardown(test, enter_named, leave)

/** status() - The status, which must be one line of JSON. Return: its length without the line
 * break. */
static size_t status(struct fixture *f)
{
	size_t length;

	memset(answer, '#', sizeof(answer));
	length = report_status(&f->supervisor, f->now, answer, sizeof(answer));
	assert_true(length <= sizeof(answer));
	assert_int_equal(answer[length - 1], '\n');
	assert_null(memchr(answer, '\n', length - 1));
	assert_true(json_is_valid(answer, length - 1));
	if (length < sizeof(answer))
		assert_int_equal(answer[length], '#');
	return length - 1;
}

static void status_has(struct fixture *f, const char *path, const char *expected)
{
	size_t length = status(f);
	char value[1024];

	assert_string_equal(json_find(answer, length, path, value, sizeof(value)), expected);
}

static void test_golden(void **state)
{
	struct forward forwards[] = { { IPPROTO_TCP, 3389, 3389, 3389, false, 1 },
				      { IPPROTO_UDP, 5000, 5010, 6000, false, 2 },
				      { IPPROTO_TCP, 1, 65535, 1, true, 3 } };
	const struct forward_count counts[] = { { 1, 20, 300, 4000 }, { 0 }, { 5, 6, 7, 8 } };
	struct forward_table *table = NULL;
	struct fixture *f = *state;
	char expected[2048];

	assert_int_equal(forward_table_create(forwards, ARRAY_SIZE(forwards), &table), 0);
	forward_table_update(table, counts, 9);
	f->config.n_services = 1;
	f->config.services[A].main = true;
	again(f);
	f->supervisor.forwards_fd = forward_table_fd(table);
	step(f);
	f->now += 7;
	says(f, A,
	     "READY=1\nSTATUS=fine\nX_CASEMENT_GUEST_STATE=running\nX_CASEMENT_GUEST_PID=500\n"
	     "X_CASEMENT_GUEST_ADDRESS=192.168.121.68\nX_CASEMENT_RDP=answering\nX_CASEMENT_BOOTS="
	     "1\n"
	     "X_CASEMENT_RDP_LATENCY_US=1500");
	f->now += 3;
	snprintf(expected, sizeof(expected),
		 "{\"version\":\"%s\",\"state\":\"ready\",\"reason\":\"\",\"since_ms\":3,\"uptime_"
		 "ms\":10,"
		 "\"guest\":{\"name\":\"windows\",\"state\":\"running\",\"reason\":\"\","
		 "\"address\":\"192.168.121.68\","
		 "\"pid\":500,\"rdp\":\"answering\",\"boots\":1,\"since_ms\":3,\"rdp_latency_us\":"
		 "1500,\"stop_phase\":\"none\",\"probe\":\"rdp\",\"probe_state\":\"answering\","
		 "\"start\":\"unknown\",\"start_reason\":\"\",\"cpu\":\"\",\"freeze\":\"none\","
		 "\"freeze_reason\":\"\",\"frozen\":\"\"},"
		 "\"forwards\":[{\"proto\":\"tcp\",\"listen\":\"3389\",\"guest\":\"192.168.121.68:"
		 "3389\",\"packets_in\":1,\"bytes_in\":20,\"packets_out\":300,\"bytes_out\":4000},"
		 "{\"proto\":\"udp\",\"listen\":\"5000-5010\",\"guest\":\"192.168.121.68:6000-"
		 "6010\",\"packets_in\":0,\"bytes_in\":0,\"packets_out\":0,\"bytes_out\":0},"
		 "{\"proto\":\"tcp\",\"listen\":\"all\",\"guest\":\"192.168.121.68:all\","
		 "\"packets_in\":5,\"bytes_in\":6,\"packets_out\":7,\"bytes_out\":8}],"
		 "\"network\":{\"repairs\":9},"
		 "\"reload\":{\"result\":\"none\",\"reason\":\"\",\"since_ms\":10},"
		 "\"services\":[{\"name\":\"a\",\"state\":\"ready\",\"pid\":100,\"restarts\":0,"
		 "\"status\":\"fine\","
		 "\"problem\":\"\",\"since_ms\":3}],\"reaped\":0}",
		 CASEMENT_VERSION);
	answer[status(f)] = '\0';
	assert_string_equal(answer, expected);
	forward_table_free(table);
}

static void test_nothing_yet(void **state)
{
	struct fixture *f = *state;
	struct forward forward = { IPPROTO_TCP, 3389, 3389, 3389, false, 1 };

	f->config.n_services = 0;
	f->config.network.forwards = &forward;
	f->config.network.n_forwards = 1;
	again(f);
	status_has(f, "services", "[]");
	/* What is configured is not in force before somebody says so. */
	status_has(f, "forwards", "[]");
	status_has(f, "forwards_omitted", "");
	status_has(f, "network.repairs", "0");
	status_has(f, "guest.state", "\"off\"");
	status_has(f, "guest.pid", "0");
	status_has(f, "guest.name", "\"windows\"");
}

static void test_dead_guest(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	status_has(f, "guest.signal", "");
	supervisor_reaped(&f->supervisor, QEMU, KILLED(SIGKILL), f->now);
	status_has(f, "guest.pid", "0");
	status_has(f, "guest.signal", "9");
	status_has(f, "guest.exit_code", "");
	says(f, M, "X_CASEMENT_GUEST_PID=501");
	status_has(f, "guest.pid", "501");
	status_has(f, "guest.signal", "");
	supervisor_reaped(&f->supervisor, 501, EXITED(3), f->now);
	status_has(f, "guest.exit_code", "3");
}

/* What RDP does is not known where something else is probed. */
static void test_probe(void **state)
{
	struct fixture *f = *state;

	start_with_guest(f);
	says(f, M, "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_RDP=answering\nX_CASEMENT_RDP_LATENCY_US=9");
	status_has(f, "guest.probe", "\"rdp\"");
	status_has(f, "guest.probe_state", "\"answering\"");
	says(f, M, "X_CASEMENT_PROBE=tcp:8080\nX_CASEMENT_PROBE_STATE=closed");
	status_has(f, "guest.rdp", "\"unknown\"");
	status_has(f, "guest.rdp_latency_us", "0");
	status_has(f, "guest.probe", "\"tcp:8080\"");
	status_has(f, "guest.probe_state", "\"closed\"");
	status_has(f, "state", "\"running\"");
	says(f, M, "X_CASEMENT_PROBE_STATE=nonsense");
	status_has(f, "guest.probe_state", "\"closed\"");
}

static void test_services(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	dies(f, D, EXITED(9));
	status_has(f, "services.3.name", "\"d\"");
	status_has(f, "services.3.state", "\"backoff\"");
	status_has(f, "services.3.pid", "0");
	status_has(f, "services.3.restarts", "1");
	status_has(f, "services.3.problem", "\"exited with 9\"");
	status_has(f, "services.4.state", "\"ready\"");
	status_has(f, "state", "\"degraded\"");
	status_has(f, "reaped", "2");
}

/* As many services as there may be, every text full of what must be escaped, and a name that is no
 * name. */
static void test_worst(void **state)
{
	static char long_name[100000];
	struct fixture *f = *state;
	char worst[256];

	memset(long_name, '\x01', sizeof(long_name) - 1);
	memset(worst, '\x02', sizeof(worst));
	f->config.guest.name = long_name;
	f->config.n_services = CONFIG_MAX_SERVICES;
	again(f);
	for (size_t i = 0; i < CONFIG_MAX_SERVICES; i++) {
		static char service_name[41];
		struct service *service = &f->supervisor.services[i];

		memset(service_name, 'n', sizeof(service_name) - 1);
		f->config.services[i].name = service_name;
		memcpy(service->status, worst, sizeof(service->status) - 1);
		memcpy(service->problem, worst, sizeof(service->problem) - 1);
		service->pid = 2147483647;
		service->restarts = 4294967295;
	}
	memcpy(f->supervisor.guest.reason, worst, sizeof(f->supervisor.guest.reason) - 1);
	memcpy(f->supervisor.overall_reason, worst, sizeof(f->supervisor.overall_reason) - 1);
	memcpy(f->supervisor.reload.reason, worst, sizeof(f->supervisor.reload.reason) - 1);
	f->supervisor.reaped = INT64_MAX;
	assert_true(status(f) <= REPORT_FIXED);
}

static void test_reload(void **state)
{
	struct fixture *f = *state;

	start_all(f);
	says(f, A, "RELOADING=1");
	f->now += 5;
	status_has(f, "reload.result", "\"running\"");
	status_has(f, "reload.since_ms", "5");
	says(f, A,
	     "READY=1\nX_CASEMENT_RELOAD=failed\nX_CASEMENT_RELOAD_REASON=entry 3, \"x\": no port");
	f->now += 7;
	status_has(f, "reload.result", "\"failed\"");
	status_has(f, "reload.reason", "\"entry 3, \\\"x\\\": no port\"");
	status_has(f, "reload.since_ms", "7");
	/* Nothing has changed: all is as well as it was. */
	status_has(f, "state", "\"ready\"");
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok");
	status_has(f, "reload.result", "\"ok\"");
	status_has(f, "reload.reason", "\"\"");
}

static const char *health(struct fixture *f)
{
	answer[report_health(&f->supervisor, answer, sizeof(answer))] = '\0';
	return answer;
}

static const char *ready(struct fixture *f)
{
	answer[report_ready(&f->supervisor, answer, sizeof(answer))] = '\0';
	return answer;
}

static void test_words(void **state)
{
	struct fixture *f = *state;

	step(f);
	assert_string_equal(health(f), "ok\n");
	assert_string_equal(ready(f), "wait a is starting\n");
	start_with_guest(f);
	assert_string_equal(ready(f), "ok\n");
	says(f, M, "X_CASEMENT_GUEST_STATE=paused\nX_CASEMENT_GUEST_REASON=ENOSPC");
	assert_string_equal(health(f), "fail guest paused: ENOSPC\n");
	assert_string_equal(ready(f), "wait guest paused: ENOSPC\n");
	says(f, M, "X_CASEMENT_GUEST_STATE=running");
	supervisor_stop(&f->supervisor, "SIGTERM", f->now);
	step(f);
	assert_string_equal(health(f), "ok\n");
	assert_string_equal(ready(f), "wait SIGTERM\n");
}

/* The text exposition format: HELP and TYPE before the samples, each metric in one piece, values
 * that are numbers. */
static void check_metrics(size_t length)
{
	char metric[64] = "", seen[4096] = " ";
	char *line, *rest;

	answer[length] = '\0';
	assert_int_equal(answer[length - 1], '\n');
	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char found[64], type[16], labels[128], *end;
		size_t n;

		if (sscanf(line, "# HELP %61s", metric) == 1) {
			snprintf(found, sizeof(found), " %.61s ", metric);
			assert_null(strstr(seen, found)); /* each only once */
			strcat(seen, found + 1);
			assert_int_equal(strncmp(metric, "casement_", 9), 0);
			continue;
		}
		if (sscanf(line, "# TYPE %63s %15s", found, type) == 2) {
			assert_string_equal(found, metric);
			assert_true(streq(type, "gauge") || streq(type, "counter"));
			n = strlen(metric);
			assert_int_equal(streq(type, "counter"),
					 n > 6 && streq(metric + n - 6, "_total"));
			continue;
		}
		n = strcspn(line, "{ ");
		assert_int_equal(n, strlen(metric));
		assert_int_equal(strncmp(line, metric, n), 0);
		if (line[n] == '{') {
			assert_int_equal(sscanf(line + n, "{%127[^}]}", labels), 1);
			assert_int_equal(labels[strlen(labels) - 1], '"');
			n += strlen(labels) + 2;
		}
		assert_int_equal(line[n], ' ');
		assert_true(isdigit((unsigned char)line[n + 1]) || line[n + 1] == '-');
		strtod(line + n + 1, &end);
		assert_int_equal(*end, '\0');
	}
}

static bool metrics_have(struct fixture *f, const char *line)
{
	char wanted[128];

	answer[report_metrics(&f->supervisor, f->now, 5, answer, sizeof(answer) - 1)] = '\0';
	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	return strstr(answer, wanted);
}

static void test_metrics(void **state)
{
	struct fixture *f = *state;

	check_metrics(report_metrics(&f->supervisor, f->now, 0, answer, sizeof(answer) - 1));
	start_with_guest(f);
	says(f, M, "X_CASEMENT_BOOTS=2\nX_CASEMENT_RDP_LATENCY_US=1500");
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=failed");
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=failed");
	says(f, A, "RELOADING=1");
	says(f, A, "READY=1\nX_CASEMENT_RELOAD=ok");
	dies(f, D, EXITED(1));
	f->now += 1250;
	check_metrics(report_metrics(&f->supervisor, f->now, 5, answer, sizeof(answer) - 1));
	assert_true(metrics_have(f, "casement_info{version=\"" CASEMENT_VERSION "\"} 1"));
	assert_true(metrics_have(f, "casement_state{state=\"degraded\"} 1"));
	assert_true(metrics_have(f, "casement_state{state=\"ready\"} 0"));
	assert_true(metrics_have(f, "casement_uptime_seconds 1.25"));
	assert_true(metrics_have(f, "casement_guest_state{state=\"running\"} 1"));
	assert_true(metrics_have(f, "casement_guest_state{state=\"off\"} 0"));
	assert_true(metrics_have(f, "casement_guest_boots_total 2"));
	assert_true(metrics_have(f, "casement_rdp_state{state=\"answering\"} 1"));
	assert_true(metrics_have(f, "casement_rdp_latency_seconds 0.0015"));
	assert_true(metrics_have(f, "casement_stop_phase{phase=\"none\"} 1"));
	assert_true(metrics_have(f, "casement_service_up{service=\"a\"} 1"));
	assert_true(metrics_have(f, "casement_service_up{service=\"d\"} 0"));
	assert_true(metrics_have(f, "casement_service_restarts_total{service=\"d\"} 1"));
	assert_true(metrics_have(f, "casement_reaped_total 2"));
	assert_true(metrics_have(f, "casement_log_lines_dropped_total 5"));
	assert_true(metrics_have(f, "casement_reloads_total{result=\"ok\"} 1"));
	assert_true(metrics_have(f, "casement_reloads_total{result=\"failed\"} 2"));
	assert_true(metrics_have(f, "casement_network_repairs_total 0"));
	assert_true(metrics_have(f, "casement_forwards_omitted 0"));
}

/* In a buffer that is too small no line is cut in the middle. */
static void test_metrics_cut(void **state)
{
	struct fixture *f = *state;
	static char whole[16384];
	size_t length;

	start_all(f);
	length = report_metrics(&f->supervisor, f->now, 0, whole, sizeof(whole));
	for (size_t size = 1; size <= length; size += 7) {
		size_t n;

		memset(answer, '#', size + 1);
		n = report_metrics(&f->supervisor, f->now, 0, answer, size);
		assert_true(n < size);
		assert_memory_equal(answer, whole, n);
		assert_true(n == 0 || answer[n - 1] == '\n');
		assert_int_equal(answer[size], '#');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(test_golden),      REPORT_TEST(test_nothing_yet),
		REPORT_TEST(test_dead_guest),  REPORT_TEST(test_probe),
		REPORT_TEST(test_services),
		REPORT_TEST(test_worst),       REPORT_TEST(test_reload),
		REPORT_TEST(test_words),       REPORT_TEST(test_metrics),
		REPORT_TEST(test_metrics_cut),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
