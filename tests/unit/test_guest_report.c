/* What PID 1 hears: the real datagrams, on a real notify socket. */
#include "init/guest/inbox.h"
#include "init/guest/report.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int socket_fd;

static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@casement-report-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return bind(socket_fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

static int tear_down(void **state)
{
	(void)state;
	return close(socket_fd);
}

/* The next datagram; empty if there is none. */
static const char *heard(void)
{
	static char text[2048];
	ssize_t n = recv(socket_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const struct report_facts running = {
	.known = true, .state = GUEST_RUNNING, .pid = 71, .address = "192.168.121.68", .probe_state = RDP_ANSWERING,
	.latency = 1000, .boots = 1, .start = START_WARM, .cpu = "baseline", .status = "the guest runs; RDP answers", .ready = true,
};

static void everything_first_then_changes(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = running;

	(void)state;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_GUEST_REASON=\nX_CASEMENT_GUEST_PID=71\n"
				     "X_CASEMENT_GUEST_ADDRESS=192.168.121.68\nX_CASEMENT_PROBE=rdp\nX_CASEMENT_RDP=answering\nX_CASEMENT_BOOTS=1\n"
				     "X_CASEMENT_STOP_PHASE=none\nX_CASEMENT_GUEST_START=warm\nX_CASEMENT_GUEST_START_REASON=\n"
				     "X_CASEMENT_GUEST_CPU=baseline\n"
				     "X_CASEMENT_RDP_LATENCY_US=1000\nREADY=1\n"
				     "STATUS=the guest runs; RDP answers\n");
	report_send(&report, &facts);
	assert_string_equal(heard(), "");
	facts.state = GUEST_PAUSED;
	strcpy(facts.reason, "ENOSPC");
	facts.probe_state = RDP_UNKNOWN;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_GUEST_STATE=paused\nX_CASEMENT_GUEST_REASON=ENOSPC\nX_CASEMENT_RDP=unknown\n");
	facts.reason[0] = '\0';
	facts.stopping = true;
	facts.phase = STOP_BUTTON;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_GUEST_REASON=\nX_CASEMENT_STOP_PHASE=button\nSTOPPING=1\n");
	facts.freeze = FREEZE_FAILED;
	strcpy(facts.freeze_reason, "no room");
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_FREEZE=failed\nX_CASEMENT_FREEZE_REASON=no room\n");
}

/* It is known before the guest is up; and a casement-guest that comes later knows of no freeze. */
static void why_it_booted_comes_with_the_start(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = { .known = true, .state = GUEST_STARTING, .start_reason = "damaged" };

	(void)state;
	report_send(&report, &facts);
	assert_null(strstr(heard(), "START"));
	facts.start = START_COLD;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_GUEST_START=cold\nX_CASEMENT_GUEST_START_REASON=damaged\n");
}

static void of_freezes_only_its_own_are_told(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = running;

	(void)state;
	report_send(&report, &facts);
	assert_null(strstr(heard(), "X_CASEMENT_FREEZE"));
	facts.freeze = FREEZE_FAILED;
	strcpy(facts.freeze_reason, "it is not ready");
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_FREEZE=failed\nX_CASEMENT_FREEZE_REASON=it is not ready\n");
}

/* What RDP does is not known then. */
static void another_probe_is_not_called_rdp(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = running;
	const char *text;

	(void)state;
	facts.probe = (struct probe_choice){ PROBE_BY_TCP, 8080 };
	facts.latency = 0;
	report_send(&report, &facts);
	text = heard();
	assert_non_null(strstr(text, "\nX_CASEMENT_PROBE=tcp:8080\nX_CASEMENT_PROBE_STATE=answering\n"));
	assert_null(strstr(text, "X_CASEMENT_RDP"));
	facts.probe_state = RDP_CLOSED;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_PROBE_STATE=closed\n");
}

/* A successor knows nothing at first, and must not take back what its predecessor said. */
static void nothing_about_the_guest_until_it_is_known(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = { .status = "connecting to libvirtd" };

	(void)state;
	report_send(&report, &facts);
	assert_string_equal(heard(), "STATUS=connecting to libvirtd\n");
	facts.known = true;
	facts.state = GUEST_STARTING;
	report_send(&report, &facts);
	assert_memory_equal(heard(), "X_CASEMENT_GUEST_STATE=starting\n", 32);
}

static void small_differences_of_latency_wake_nobody(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = running;

	(void)state;
	report_send(&report, &facts);
	heard();
	facts.latency = 1900;
	report_send(&report, &facts);
	assert_string_equal(heard(), "");
	facts.latency = 2100;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_RDP_LATENCY_US=2100\n");
	facts.latency = 900;
	report_send(&report, &facts);
	assert_string_equal(heard(), "X_CASEMENT_RDP_LATENCY_US=900\n");
}

/* A line break in libvirt's words must not become a field. */
static void text_stays_text(void **state)
{
	struct report report = { .sent = false };
	struct report_facts facts = running;

	(void)state;
	strcpy(facts.reason, "bad\nREADY=1\nMAINPID=1");
	report_send(&report, &facts);
	assert_non_null(strstr(heard(), "X_CASEMENT_GUEST_REASON=bad READY=1 MAINPID=1\n"));
}

static void asks_for_patience(void **state)
{
	(void)state;
	report_extend(125000);
	assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=125000000");
}

static void the_inbox_keeps_order_and_says_when_it_is_full(void **state)
{
	struct inbox inbox;
	struct message message = { .type = MESSAGE_NOTE };
	struct pollfd wait = { .events = POLLIN };

	(void)state;
	assert_int_equal(inbox_init(&inbox), 0);
	wait.fd = inbox.fd;
	assert_false(inbox_take(&inbox, &message));
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < INBOX_SIZE + 5; i++) {
			message.connection = i;
			inbox_post(&inbox, &message);
		}
		/* The worker's answer has a place of its own: without it the keeper would wait for ever. */
		inbox_post(&inbox, &(struct message){ .type = MESSAGE_JOB });
		assert_int_equal(poll(&wait, 1, 0), 1);
		for (unsigned i = 0; i < INBOX_SIZE - 1; i++) {
			assert_true(inbox_take(&inbox, &message));
			assert_int_equal(message.type, MESSAGE_NOTE);
			assert_int_equal(message.connection, i);
		}
		assert_true(inbox_take(&inbox, &message));
		assert_int_equal(message.type, MESSAGE_JOB);
		message.type = MESSAGE_NOTE;
		assert_false(inbox_take(&inbox, &message));
		assert_int_equal(poll(&wait, 1, 0), 0);
		assert_true(inbox_overflowed(&inbox));
		assert_false(inbox_overflowed(&inbox));
	}
	inbox_clear(&inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_first_then_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(why_it_booted_comes_with_the_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_freezes_only_its_own_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_probe_is_not_called_rdp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_about_the_guest_until_it_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(small_differences_of_latency_wake_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(text_stays_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(asks_for_patience, set_up, tear_down),
		cmocka_unit_test(the_inbox_keeps_order_and_says_when_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
