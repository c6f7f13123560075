/* Scenes from the lives of guests, for the tests that play whole lives with the keeper's fixture. */
#pragma once

#include "init/guest/boots.h"
#include "keeper_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

/* Run the loop until @condition, or fail after twenty seconds. */
#define UNTIL(condition)                                                                                              \
	do {                                                                                                          \
		int64_t deadline_ = now_ms() + 20000;                                                                 \
                                                                                                                      \
		while (!(condition)) {                                                                                \
			if (now_ms() > deadline_)                                                                     \
				fail_msg("never: %s (%s; %s)", #condition, life_state_name(keeper.life),              \
					 fake_libvirt_calls());                                                       \
			virEventRunDefaultImpl(); /* wakes every 20 ms: fixture_main() */                             \
		}                                                                                                     \
	} while (0)

static inline void send_signal(int signal, int value)
{
	sigqueue(getpid(), signal, (union sigval){ .sival_int = value });
}

static inline void begin(void)
{
	make_keeper();
	keeper_found_qemu(&keeper);
	keeper_settle(&keeper);
}

/* From nothing to a guest that runs, as libvirt tells it. */
static inline void boot(void)
{
	begin();
	UNTIL(keeper.life == LIFE_CREATING || keeper.life == LIFE_BOOTING);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STARTED, 0);
	UNTIL(keeper.life == LIFE_BOOTING && !keeper.worker.busy);
	fake_libvirt_agent_event(true);
	UNTIL(keeper.life == LIFE_RUNNING);
}

static inline void power_off(void)
{
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	fake_libvirt_event(VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
}

/* A process that looks like QEMU; with @stubborn it ignores SIGTERM. */
static inline pid_t start_qemu(bool stubborn)
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
static inline void reap(pid_t pid, int signal)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signal);
	if (keeper.qemu.fd < 0)
		send_signal(SIGUSR1, status);
}
