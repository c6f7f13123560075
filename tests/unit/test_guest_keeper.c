/* Lives of guests from beginning to end, on a fake libvirt and a real event loop, worker thread, signals and processes. */
#include "init/guest/boots.h"
#include "keeper_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

/* Run the loop until @condition, or fail after five seconds. */
#define UNTIL(condition)                                                                                              \
	do {                                                                                                          \
		int64_t deadline_ = now_ms() + 5000;                                                                  \
                                                                                                                      \
		while (!(condition)) {                                                                                \
			if (now_ms() > deadline_)                                                                     \
				fail_msg("never: %s (%s; %s)", #condition, life_state_name(keeper.life),              \
					 fake_libvirt_calls());                                                       \
			virEventRunDefaultImpl(); /* wakes every 20 ms: fixture_main() */                             \
		}                                                                                                     \
	} while (0)

static void send_signal(int signal, int value)
{
	sigqueue(getpid(), signal, (union sigval){ .sival_int = value });
}

static void begin(void)
{
	make_keeper();
	keeper_found_qemu(&keeper);
	keeper_settle(&keeper);
}

/* From nothing to a guest that runs, as libvirt tells it. */
static void boot(void)
{
	begin();
	UNTIL(keeper.life == LIFE_CREATING || keeper.life == LIFE_BOOTING);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STARTED, 0);
	UNTIL(keeper.life == LIFE_BOOTING && !keeper.worker.busy);
	fake_libvirt_agent_event(true);
	UNTIL(keeper.life == LIFE_RUNNING);
}

static void power_off(void)
{
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	fake_libvirt_event(VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
}

/* A process that looks like QEMU; with @stubborn it ignores SIGTERM. */
static pid_t start_qemu(bool stubborn)
{
	char path[128];
	int ready[2], hold[2];
	char byte;
	pid_t pid;
	FILE *file;

	assert_int_equal(pipe(ready) || pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
		/* By way of high numbers: a descriptor must not be replaced before it is copied. */
		int ready_copy = fcntl(ready[1], F_DUPFD, 20), hold_copy = fcntl(hold[0], F_DUPFD, 20);

		dup2(ready_copy, 8);
		dup2(hold_copy, 9);
		execl("/bin/sh", "qemu", "-c", "echo >&8; exec 8>&-; read x <&9; exit", "-name", "guest=windows,x", NULL);
		_exit(127);
	}
	close(ready[1]);
	close(hold[0]); /* the other end stays: it reads for as long as this test lives */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "%s/windows.pid", run_directory);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%d\n", (int)pid);
	fclose(file);
	return pid;
}

/* Reap it, and where there are no pidfds (under valgrind) say so, as PID 1 does. */
static void reap(pid_t pid, int signal)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signal);
	if (keeper.qemu.fd < 0)
		send_signal(SIGUSR1, status);
}

static void boots_and_shuts_down(void **state)
{
	(void)state;
	boot();
	assert_true(keeper.ready);
	assert_int_equal(keeper.boots, 1);
	assert_string_equal(fake_libvirt_calls(), "open define create");
	assert_non_null(strstr(fake.xml, "<name>windows</name>"));
	send_signal(SIGTERM, 0);
	UNTIL(fake.n_calls == 4);
	assert_string_equal(fake_libvirt_calls(), "open define create button");
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void a_guest_that_shuts_itself_down(void **state)
{
	(void)state;
	boot();
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_string_equal(keeper.last_words, "the guest shut down");
}

static void a_guest_that_reboots_stays(void **state)
{
	(void)state;
	boot();
	/* Linux tries one way after the other: three resets, one reboot. */
	for (int i = 0; i < 3; i++)
		fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	UNTIL(!keeper.inbox.n);
	assert_int_equal(keeper.boots, 2);
	assert_int_equal(keeper.life, LIFE_BOOTING);
	assert_int_equal(keeper.health.state, RDP_UNKNOWN);
	assert_false(keeper.ended);
}

static void asked_to_stop_before_anything(void **state)
{
	(void)state;
	fake.gated = true;
	begin();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.life == LIFE_STOP_UNKNOWN);
	fake_libvirt_open_gate();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_string_equal(fake_libvirt_calls(), "open"); /* never defined, never started */
}

static void asked_to_stop_while_libvirtd_never_comes(void **state)
{
	int64_t before = now_ms();

	(void)state;
	fake.reachable = false;
	begin();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_in_range(now_ms() - before, 1900, 4000);
}

static void asked_to_stop_in_the_middle_of_a_start(void **state)
{
	(void)state;
	fake.defined = true;
	begin();
	UNTIL(keeper.wanted == VIRT_CREATE || keeper.life == LIFE_CREATING);
	fake.gated = true;
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	fake_libvirt_open_gate();
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void a_running_guest_is_taken_over(void **state)
{
	(void)state;
	fake.defined = true;
	fake.agent = true;
	fake.state = VIR_DOMAIN_RUNNING;
	plan.prepared = false; /* preparing would look for a disk that is not there, and end it */
	pid_t pid = start_qemu(false);
	begin();
	UNTIL(keeper.life == LIFE_RUNNING);
	assert_int_equal(keeper.qemu.pid, pid);
	assert_string_equal(fake_libvirt_calls(), "open state"); /* no second definition, no second start */
	assert_false(keeper.ended);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_start_under_way_is_waited_for(void **state)
{
	(void)state;
	fake.defined = true;
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_STARTING_UP;
	begin();
	UNTIL(keeper.life == LIFE_CREATING);
	fake.state = VIR_DOMAIN_RUNNING;
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_string_equal(fake_libvirt_calls(), "open state");
}

static void what_ended_in_our_absence_is_not_started_again(void **state)
{
	static const struct {
		int reason, code;
	} ends[] = { { VIR_DOMAIN_SHUTOFF_SHUTDOWN, EXIT_GUEST_OFF },
		     { VIR_DOMAIN_SHUTOFF_CRASHED, EXIT_GUEST_CRASHED },
		     { VIR_DOMAIN_SHUTOFF_FAILED, EXIT_GUEST_CRASHED },
		     { VIR_DOMAIN_SHUTOFF_DESTROYED, EXIT_GUEST_DESTROYED } };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (i > 0)
			assert_int_equal(fixture_set_up(state), 0);
		fake.defined = true;
		fake.reason = ends[i].reason;
		boots_save(boots_path, 71, 1); /* a predecessor started it */
		begin();
		UNTIL(keeper.ended);
		assert_int_equal(keeper.exit_code, ends[i].code);
		assert_null(strstr(fake_libvirt_calls(), "create"));
		assert_false(boots_inherited(boots_path));
		if (i + 1 < ARRAY_SIZE(ends))
			assert_int_equal(fixture_tear_down(state), 0);
	}
}

/* Its end was told; this is a new start, by the same libvirtd. */
static void what_ended_before_is_started_again(void **state)
{
	(void)state;
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_DESTROYED;
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
}

static void libvirtd_comes_late(void **state)
{
	(void)state;
	fake.reachable = false;
	begin();
	UNTIL(fake.n_calls >= 3); /* tries and tries */
	assert_false(keeper.linked);
	fake.reachable = true;
	UNTIL(keeper.life == LIFE_BOOTING);
}

static void libvirtd_goes_and_comes_back(void **state)
{
	(void)state;
	boot();
	for (int i = 0; i < 20; i++) {
		unsigned connections = fake.connections;

		fake_libvirt_hang_up();
		UNTIL(!keeper.linked);
		assert_int_equal(keeper.life, LIFE_RUNNING);
		UNTIL(keeper.linked);
		assert_int_equal(fake.connections, connections + 1);
		assert_int_equal(keeper.life, LIFE_RUNNING);
	}
	/* Nothing is missed afterwards. */
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_null(strstr(strstr(fake_libvirt_calls(), "create") + 6, "create"));
}

static void what_happened_without_libvirtd_is_found_out(void **state)
{
	(void)state;
	boot();
	fake.reachable = false;
	fake_libvirt_hang_up();
	UNTIL(!keeper.linked);
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_IOERROR;
	fake.disk_full = true;
	fake.reachable = true;
	UNTIL(keeper.life == LIFE_PAUSED);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
	fake_libvirt_hang_up();
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void libvirtd_dies_in_the_middle_of_a_start(void **state)
{
	(void)state;
	fake.break_call = "create";
	begin();
	UNTIL(keeper.create_tries == 2);
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_string_equal(fake_libvirt_calls(), "open define create open state define create");
}

static void three_starts_are_enough(void **state)
{
	(void)state;
	fake.reason = VIR_DOMAIN_SHUTOFF_DAEMON; /* what a new libvirtd says of a guest that it cannot take over */
	begin();
	for (unsigned i = 1; i <= 3; i++) {
		fake.break_call = "create";
		UNTIL(keeper.create_tries == i);
		UNTIL(!fake.break_call);
	}
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_refused_definition_ends_with_78(void **state)
{
	(void)state;
	fake.fail = VIR_ERR_CONFIG_UNSUPPORTED;
	fake.fail_call = "define";
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_CONFIG);
	assert_non_null(strstr(keeper.last_words, "the fake says no"));
}

static void a_failed_start_ends_with_11(void **state)
{
	(void)state;
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "create";
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_non_null(strstr(keeper.last_words, "the fake says no"));
}

static void a_full_disk_pauses_and_says_so(void **state)
{
	(void)state;
	boot();
	fake_libvirt_disk_event("enospc");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.life == LIFE_PAUSED);
	assert_string_equal(keeper.pause_reason, "ENOSPC");
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_RUNNING); /* it was alive before */
	assert_string_equal(keeper.pause_reason, "");
	/* A paused guest is resumed before it can shut down. */
	fake_libvirt_disk_event("enospc");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
	UNTIL(keeper.life == LIFE_PAUSED);
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "resume"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(strstr(fake_libvirt_calls(), "resume button"));
}

static void the_agent_is_asked_beside_the_button(void **state)
{
	(void)state;
	config.stop.agent = true;
	boot();
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button agent"));
}

static void the_deadline_destroys(void **state)
{
	(void)state;
	boot();
	send_signal(SIGTERM, 150); /* PID 1 says how much time is left */
	send_signal(SIGTERM, 50000);
	UNTIL(strstr(fake_libvirt_calls(), "button destroy-graceful"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

static void a_failed_destroy_is_followed_by_a_harder_one(void **state)
{
	(void)state;
	boot();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "destroy-graceful";
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful destroy"));
}

static void impatience(void **state)
{
	(void)state;
	boot();
	send_signal(SIGINT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	assert_null(strstr(fake_libvirt_calls(), "destroy"));
	send_signal(SIGINT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
	assert_int_equal(fixture_tear_down(state), 0);
	assert_int_equal(fixture_set_up(state), 0);
	boot();
	send_signal(SIGQUIT, 0);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
}

static void without_libvirtd_the_deadline_holds(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake.reachable = false;
	fake_libvirt_hang_up();
	send_signal(SIGTERM, 100);
	UNTIL(keeper.evidence.destroyed);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
	assert_null(strstr(fake_libvirt_calls(), "destroy"));
}

static void a_hung_libvirtd_does_not_hold_the_deadline(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake.gated = true; /* the press never returns */
	send_signal(SIGTERM, 100);
	UNTIL(keeper.evidence.destroyed);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

static void pid_1_tells_how_qemu_ended(void **state)
{
	(void)state;
	boot();
	keeper.evidence.pid = 71;
	kill(getpid(), SIGUSR1); /* not sigqueue(3): no wait status */
	virEventRunDefaultImpl();
	assert_false(keeper.evidence.status_known);
	send_signal(SIGUSR1, SIGKILL);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_string_equal(keeper.last_words, "QEMU (pid 71) was killed by SIGKILL");
}

static void a_sigterm_to_qemu_is_no_shutdown(void **state)
{
	(void)state;
	boot();
	fake_libvirt_event(VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
}

static void a_panic_is_a_crash(void **state)
{
	(void)state;
	boot();
	fake_libvirt_event(VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
	UNTIL(keeper.life == LIFE_PAUSED);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_CRASHED);
	assert_string_equal(keeper.last_words, "the guest crashed");
}

static void boots_survive_a_restart_of_the_keeper(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake_libvirt_signal_event(VIR_DOMAIN_EVENT_ID_REBOOT);
	UNTIL(keeper.boots == 2);
	fake_libvirt_open_gate();
	keeper_clear(&keeper);
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_int_equal(keeper.boots, 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(boots_and_shuts_down),
		TEST(a_guest_that_shuts_itself_down),
		TEST(a_guest_that_reboots_stays),
		TEST(asked_to_stop_before_anything),
		TEST(asked_to_stop_while_libvirtd_never_comes),
		TEST(asked_to_stop_in_the_middle_of_a_start),
		TEST(a_running_guest_is_taken_over),
		TEST(a_start_under_way_is_waited_for),
		TEST(what_ended_in_our_absence_is_not_started_again),
		TEST(what_ended_before_is_started_again),
		TEST(libvirtd_comes_late),
		TEST(libvirtd_goes_and_comes_back),
		TEST(what_happened_without_libvirtd_is_found_out),
		TEST(libvirtd_dies_in_the_middle_of_a_start),
		TEST(three_starts_are_enough),
		TEST(a_refused_definition_ends_with_78),
		TEST(a_failed_start_ends_with_11),
		TEST(a_full_disk_pauses_and_says_so),
		TEST(the_agent_is_asked_beside_the_button),
		TEST(the_deadline_destroys),
		TEST(a_failed_destroy_is_followed_by_a_harder_one),
		TEST(impatience),
		TEST(without_libvirtd_the_deadline_holds),
		TEST(a_hung_libvirtd_does_not_hold_the_deadline),
		TEST(pid_1_tells_how_qemu_ended),
		TEST(a_sigterm_to_qemu_is_no_shutdown),
		TEST(a_panic_is_a_crash),
		TEST(boots_survive_a_restart_of_the_keeper),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
