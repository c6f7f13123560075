/* The forwards in PID 1: which descriptor is kept, and what the answers say of ten thousand rows,
 * of rows that are none, and of a table that is being written. */
#include "init/pid1/forwards.h"

#include "init/pid1/report.h"
#include "json_reader.h"
#include "lib/util.h"
#include "supervisor_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#define MANY 10000

static char answer[REPORT_MAX];
static char name[] = "windows";

static int enter_named(void **state)
{
	struct fixture *f;

	enter(state);
	f = *state;
	f->config.guest.name = name;
	start_all(f);
	says(f, A, "X_CASEMENT_GUEST_ADDRESS=192.168.121.68");
	return 0;
}

#define FORWARDS_TEST(test) cmocka_unit_test_setup_teardown(test, enter_named, leave)

static unsigned count_fds(void)
{
	autoclosedir DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	return n;
}

/* n ports of both protocols in turn, with counters as large as they can be. */
static struct forward_table *make_table(size_t n, uint64_t value)
{
	static struct forward forwards[MANY];
	static struct forward_count counts[MANY];
	struct forward_table *table = NULL;

	for (size_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(i + 50000);

		forwards[i] = (struct forward){
			i % 2 ? IPPROTO_UDP : IPPROTO_TCP, port, port, port, false, (unsigned)i + 1
		};
		counts[i] = (struct forward_count){ value, value, value, value };
	}
	assert_int_equal(forward_table_create(forwards, n, &table), 0);
	forward_table_update(table, counts, value);
	return table;
}

static void status_has(struct fixture *f, const char *path, const char *expected)
{
	size_t length = report_status(&f->supervisor, f->now, answer, sizeof(answer));
	char value[256];

	assert_true(json_is_valid(answer, length - 1));
	assert_string_equal(json_find(answer, length - 1, path, value, sizeof(value)), expected);
}

static size_t metrics(struct fixture *f, size_t size)
{
	size_t length = report_metrics(&f->supervisor, f->now, 0, answer, size - 1);

	answer[length] = '\0';
	assert_true(length == 0 || answer[length - 1] == '\n');
	return length;
}

static size_t count_lines(const char *beginning)
{
	size_t n = 0;

	for (const char *at = answer; (at = strstr(at, beginning)); at++)
		n += at == answer || at[-1] == '\n';
	return n;
}

static void test_take(void **state)
{
	struct fixture *f = *state;
	const struct service *service = &f->supervisor.services[A];
	struct forward_table *table = make_table(1, 7), *next = make_table(2, 8);
	unsigned before = count_fds();
	uint64_t changes = f->supervisor.changes;
	int passed = fcntl(forward_table_fd(table), F_DUPFD_CLOEXEC, 3), first = passed, none = -1;

	forwards_take(&f->supervisor, service, &passed);
	assert_int_equal(passed, -1);
	assert_int_equal(f->supervisor.forwards_fd, first);
	assert_true(f->supervisor.changes > changes);
	status_has(f, "forwards.0.packets_in", "7");

	/* What is no table does not take the place of one that is. */
	passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	forwards_take(&f->supervisor, service, &passed);
	assert_true(passed >= 0);
	close(passed);
	forwards_take(&f->supervisor, service, &none);
	assert_int_equal(f->supervisor.forwards_fd, first);
	assert_int_equal(count_fds(), before + 1);

	/* A new one does, and the old one is closed. */
	passed = fcntl(forward_table_fd(next), F_DUPFD_CLOEXEC, 3);
	forwards_take(&f->supervisor, service, &passed);
	assert_int_equal(count_fds(), before + 1);
	status_has(f, "forwards.1.packets_in", "8");
	/* Its writer may be gone. */
	forward_table_free(next);
	status_has(f, "forwards.1.packets_in", "8");
	close(f->supervisor.forwards_fd);
	forward_table_free(table);
}

/* No table, or one without an address: what leads nowhere is not shown. */
static void test_none(void **state)
{
	struct fixture *f = *state;
	struct forward_table *table = make_table(2, 3);

	status_has(f, "forwards", "[]");
	status_has(f, "forwards_omitted", "");
	status_has(f, "network.repairs", "0");
	f->supervisor.guest.address[0] = '\0';
	f->supervisor.forwards_fd = forward_table_fd(table);
	status_has(f, "forwards", "[]");
	status_has(f, "forwards_omitted", "");
	status_has(f, "network.repairs", "3");
	forward_table_free(table);
}

/* Ten thousand forwards do not fit: those that do are there, the others are counted, and all else
 * is complete. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	struct forward_table *table = make_table(MANY, 0);
	size_t shown = 0;
	char text[32], value[64];

	f->supervisor.forwards_fd = forward_table_fd(table);
	status_has(f, "services.4.name", "\"m\"");
	for (const char *at = answer; (at = strstr(at, "{\"proto\":")); at++)
		shown++;
	assert_true(shown > 400 && shown < MANY);
	snprintf(text, sizeof(text), "%zu", MANY - shown);
	status_has(f, "forwards_omitted", text);
	status_has(f, "reload.result", "\"none\"");
	status_has(f, "reaped", "1");
	snprintf(text, sizeof(text), "forwards.%zu.listen", shown - 1);
	snprintf(value, sizeof(value), "\"%zu\"", shown - 1 + 50000);
	status_has(f, text, value);
	forward_table_free(table);

	table = make_table(400, 0);
	f->supervisor.forwards_fd = forward_table_fd(table);
	status_has(f, "forwards_omitted", "");
	status_has(f, "forwards.399.listen", "\"50399\"");
	forward_table_free(table);
}

static void test_largest_counters(void **state)
{
	struct fixture *f = *state;
	struct forward_table *table = make_table(MANY, UINT64_MAX);

	f->supervisor.forwards_fd = forward_table_fd(table);
	/* JSON's readers have 63 bits. */
	status_has(f, "forwards.0.bytes_out", "9223372036854775807");
	status_has(f, "network.repairs", "9223372036854775807");
	metrics(f, sizeof(answer));
	assert_non_null(strstr(answer,
			       "casement_forward_bytes_total{proto=\"udp\",listen=\"50001\","
			       "direction=\"out\"} 18446744073709551615\n"));
	forward_table_free(table);
}

static void test_metrics(void **state)
{
	struct forward forwards[] = { { IPPROTO_TCP, 3389, 3389, 3389, false, 1 },
				      { IPPROTO_UDP, 5000, 5010, 6000, false, 2 },
				      { IPPROTO_UDP, 1, 65535, 1, true, 3 } };
	const struct forward_count counts[] = { { 1, 20, 300, 4000 }, { 5, 6, 7, 8 }, { 0 } };
	static const char expected[] =
		"casement_network_repairs_total 9\n"
		"# HELP casement_forward_packets_total Packets that a forward let through.\n"
		"# TYPE casement_forward_packets_total counter\n"
		"casement_forward_packets_total{proto=\"tcp\",listen=\"3389\",direction=\"in\"} 1\n"
		"casement_forward_packets_total{proto=\"tcp\",listen=\"3389\",direction=\"out\"} "
		"300\n"
		"casement_forward_packets_total{proto=\"udp\",listen=\"5000-5010\",direction="
		"\"in\"} 5\n"
		"casement_forward_packets_total{proto=\"udp\",listen=\"5000-5010\",direction="
		"\"out\"} 7\n"
		"casement_forward_packets_total{proto=\"udp\",listen=\"all\",direction=\"in\"} 0\n"
		"casement_forward_packets_total{proto=\"udp\",listen=\"all\",direction=\"out\"} 0\n"
		"# HELP casement_forward_bytes_total Bytes that a forward let through.\n"
		"# TYPE casement_forward_bytes_total counter\n"
		"casement_forward_bytes_total{proto=\"tcp\",listen=\"3389\",direction=\"in\"} 20\n"
		"casement_forward_bytes_total{proto=\"tcp\",listen=\"3389\",direction=\"out\"} "
		"4000\n"
		"casement_forward_bytes_total{proto=\"udp\",listen=\"5000-5010\",direction=\"in\"} "
		"6\n"
		"casement_forward_bytes_total{proto=\"udp\",listen=\"5000-5010\",direction=\"out\"}"
		" 8\n"
		"casement_forward_bytes_total{proto=\"udp\",listen=\"all\",direction=\"in\"} 0\n"
		"casement_forward_bytes_total{proto=\"udp\",listen=\"all\",direction=\"out\"} 0\n"
		"# HELP casement_forwards_omitted Forwards that there is no room for.\n"
		"# TYPE casement_forwards_omitted gauge\n"
		"casement_forwards_omitted 0\n";
	struct fixture *f = *state;
	struct forward_table *table = NULL;

	assert_int_equal(forward_table_create(forwards, ARRAY_SIZE(forwards), &table), 0);
	forward_table_update(table, counts, 9);
	f->supervisor.forwards_fd = forward_table_fd(table);
	metrics(f, sizeof(answer));
	assert_string_equal(strstr(answer, "casement_network_repairs_total 9"), expected);
	forward_table_free(table);
}

/* In every size of the buffer the metrics that are always there come first, both metrics have the
 * same forwards, and what is missing is counted. */
static void test_metrics_bounded(void **state)
{
	struct fixture *f = *state;
	struct forward_table *table = make_table(MANY, UINT64_MAX);
	size_t least = metrics(f, sizeof(answer)), last_shown = 0;

	f->supervisor.forwards_fd = forward_table_fd(table);
	for (size_t size = least + FORWARDS_METRICS_ROOM; size <= sizeof(answer); size += 3001) {
		size_t shown;
		char line[64];

		assert_true(metrics(f, size) < size);
		shown = count_lines("casement_forward_packets_total{");
		assert_int_equal(count_lines("casement_forward_bytes_total{"), shown);
		assert_int_equal(shown % 2, 0);
		assert_true(shown >= last_shown);
		snprintf(line, sizeof(line), "casement_forwards_omitted %zu\n", MANY - shown / 2);
		assert_non_null(strstr(answer, line));
		assert_string_equal(strstr(answer, line), line);
		last_shown = shown;
	}
	assert_true(last_shown > 600);
	forward_table_free(table);
}

static void test_bad_rows(void **state)
{
	static const struct forward_table_row bad = { .proto = 99 };
	struct fixture *f = *state;
	struct forward_table *table = make_table(3, 1);

	assert_int_equal(pwrite(forward_table_fd(table), &bad, sizeof(bad),
				sizeof(struct forward_table_header) + sizeof(bad)),
			 sizeof(bad));
	f->supervisor.forwards_fd = forward_table_fd(table);
	status_has(f, "forwards.0.listen", "\"50000\"");
	status_has(f, "forwards.1.listen", "\"50002\"");
	status_has(f, "forwards.2", "");
	status_has(f, "forwards_omitted", "1");
	metrics(f, sizeof(answer));
	assert_int_equal(count_lines("casement_forward_bytes_total{"), 4);
	assert_int_equal(count_lines("casement_forwards_omitted 1\n"), 1);
	forward_table_free(table);
}

/* Its writer has died in mid-work: it is shown as it is, once. */
static void test_torn(void **state)
{
	const uint32_t odd = 1;
	struct fixture *f = *state;
	struct forward_table *table = make_table(2, 5);

	assert_int_equal(pwrite(forward_table_fd(table), &odd, sizeof(odd),
				offsetof(struct forward_table_header, sequence)),
			 sizeof(odd));
	f->supervisor.forwards_fd = forward_table_fd(table);
	status_has(f, "forwards.1.bytes_in", "5");
	status_has(f, "forwards.2", "");
	metrics(f, sizeof(answer));
	assert_int_equal(count_lines("casement_forward_bytes_total{"), 4);
	assert_int_equal(count_lines("# TYPE casement_forward_bytes_total"), 1);
	forward_table_free(table);
}

/* What was a table once and is none any more is as good as none. */
static void test_broken_later(void **state)
{
	const uint64_t magic = 1;
	struct fixture *f = *state;
	struct forward_table *table = make_table(2, 5);

	f->supervisor.forwards_fd = forward_table_fd(table);
	assert_int_equal(pwrite(forward_table_fd(table), &magic, sizeof(magic), 0), sizeof(magic));
	status_has(f, "forwards", "[]");
	status_has(f, "network.repairs", "0");
	metrics(f, sizeof(answer));
	assert_int_equal(count_lines("casement_forward_bytes_total{"), 0);
	assert_int_equal(count_lines("casement_forwards_omitted 0\n"), 1);
	forward_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORWARDS_TEST(test_take),	  FORWARDS_TEST(test_none),
		FORWARDS_TEST(test_many),	  FORWARDS_TEST(test_largest_counters),
		FORWARDS_TEST(test_metrics),	  FORWARDS_TEST(test_metrics_bounded),
		FORWARDS_TEST(test_bad_rows),	  FORWARDS_TEST(test_torn),
		FORWARDS_TEST(test_broken_later),
	};

	return cmocka_run_group_tests_name("forwards", tests, NULL, NULL);
}
