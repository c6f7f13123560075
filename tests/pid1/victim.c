/*
 * victim: a program that does what its arguments say, one after the other. The tests configure it
 * as a service of PID 1, and let it prepare the ground before it becomes PID 1 (`block-all exec
 * casement ...`).
 *
 * It says what happens to it on stdout, one line each, so that a test waits for lines and not for
 * time. Signals that it was told to trap are blocked and taken one by one by `pause`; all others do
 * what they do by default.
 */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What to do when a signal comes. */
struct trap {
	int delay;	 /* ms */
	int code;	 /* to exit with; -1: go on */
	char **commands; /* to run before that; NULL: none */
};

static struct trap traps[NSIG];
static sigset_t trapped;
static unsigned n_trapped; /* sigisemptyset() of glibc 2.36 does not see real-time signals */

struct command {
	const char *name;
	int n_arguments;
	void (*run)(char **arguments);
};

void say(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	/* One write for one line: lines of several processes do not mix. */
	if (write(STDOUT_FILENO, line, (size_t)n + 1) < 0)
		_exit(99);
}

void fail(const char *what)
{
	say("victim: %s: %s", what, strerror(errno));
	_exit(98);
}

int number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 0);

	if (*end || end == text) {
		say("victim: %s: is not a number", text);
		_exit(98);
	}
	return (int)value;
}

void sleep_ms(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static void do_say(char **arguments)
{
	say("%s", arguments[0]);
}

/* Without a line's end. */
static void do_print(char **arguments)
{
	if (write(STDOUT_FILENO, arguments[0], strlen(arguments[0])) < 0)
		fail("write");
}

static void do_flood(char **arguments)
{
	for (int i = 0; i < number(arguments[0]); i++)
		say("flood %d %0*d", i, number(arguments[1]), 0);
}

/* shout: for ever. */
static void do_shout(char **arguments)
{
	char lines[4096];

	(void)arguments;
	memset(lines, 'x', sizeof(lines));
	for (size_t i = 1; i < sizeof(lines); i += 2)
		lines[i] = '\n';
	while (write(STDOUT_FILENO, lines, sizeof(lines)) > 0)
		;
	fail("write");
}

/* pipe-size BYTES: how much stdout, a pipe, takes before somebody reads. */
static void do_pipe_size(char **arguments)
{
	if (fcntl(STDOUT_FILENO, F_SETPIPE_SZ, number(arguments[0])) < 0)
		fail("F_SETPIPE_SZ");
}

static void do_exit(char **arguments)
{
	_exit(number(arguments[0]));
}

static void do_raise(char **arguments)
{
	kill(getpid(), number(arguments[0]));
}

static void do_sleep(char **arguments)
{
	sleep_ms(number(arguments[0]));
}

static void do_ignore(char **arguments)
{
	signal(number(arguments[0]), SIG_IGN);
}

static void do_ignore_all(char **arguments)
{
	(void)arguments;
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_IGN);
}

static void do_block_all(char **arguments)
{
	sigset_t all;

	(void)arguments;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static void set_trap(int which, struct trap trap)
{
	traps[which] = trap;
	sigaddset(&trapped, which);
	n_trapped++;
	sigprocmask(SIG_BLOCK, &trapped, NULL);
}

/* trap SIGNAL DELAY CODE */
static void do_trap(char **arguments)
{
	set_trap(number(arguments[0]),
		 (struct trap){ .delay = number(arguments[1]), .code = number(arguments[2]) });
}

/* when SIGNAL COMMANDS --: each time that it comes. */
static void do_when(char **arguments)
{
	set_trap(number(arguments[0]), (struct trap){ .code = -1, .commands = arguments + 1 });
}

static void take_signal(void)
{
	siginfo_t info;
	int which = sigwaitinfo(&trapped, &info);

	if (which < 0)
		return;
	say("signal %d value %d", which, info.si_code == SI_QUEUE ? info.si_value.sival_int : -1);
	sleep_ms(traps[which].delay);
	if (traps[which].commands)
		run_commands(traps[which].commands);
	if (traps[which].code >= 0) {
		say("done");
		_exit(traps[which].code);
	}
}

static void do_pause(char **arguments)
{
	(void)arguments;
	for (;;) {
		if (!n_trapped)
			pause();
		else
			take_signal();
	}
}

/* A process whose parent is gone runs everything up to `--`; this one goes on behind it. */
static void do_daemon(char **arguments)
{
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0) {
		if (fork() != 0)
			_exit(0);
		setsid();
		run_commands(arguments);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	int pid = 0;

	if (file) {
		if (fscanf(file, "%d", &pid) != 1)
			pid = 0;
		fclose(file);
	}
	return pid;
}

static void write_pid(const char *path, pid_t pid)
{
	FILE *file = fopen(path, "we");

	if (!file || fprintf(file, "%d\n", (int)pid) < 0 || fclose(file))
		fail(path);
}

/*
 * guest MS COMMANDS --: a process that stands for QEMU, reparented as QEMU is; so many ms later its
 * pid is reported. If there is one already, from this service's life before, that one is.
 */
static void do_guest(char **arguments)
{
	static const char path[] = "/run/guest";
	char text[64], *report[] = { text };
	pid_t pid = read_pid(path), child;

	if (!pid) {
		child = fork();
		if (child == 0) {
			pid = fork();
			if (pid == 0) {
				run_commands(arguments + 1);
				_exit(0);
			}
			write_pid(path, pid);
			_exit(0);
		}
		waitpid(child, NULL, 0);
		pid = read_pid(path);
		sleep_ms(number(arguments[0]));
	}
	snprintf(text, sizeof(text), "X_CASEMENT_GUEST_STATE=running|X_CASEMENT_GUEST_PID=%d",
		 (int)pid);
	do_notify(report);
}

/* orphans NUMBER MS: that many processes lose their parent, and end at some time within so many ms.
 */
static void do_orphans(char **arguments)
{
	int n = number(arguments[0]), within = number(arguments[1]);

	for (int made = 0; made < n; made += 100) {
		pid_t parent = fork();

		if (parent < 0)
			fail("fork");
		for (int i = made; parent == 0 && i < n && i < made + 100; i++) {
			pid_t orphan = fork();

			if (orphan < 0)
				_exit(97);
			if (orphan == 0) {
				if (within)
					sleep_ms((int)((long)i * within / n));
				_exit(i % 256);
			}
		}
		if (parent == 0)
			_exit(0);
		waitpid(parent, NULL, 0);
	}
	say("orphans made");
}

/* breed: orphans for ever, a hundred at a time, the next ones when those have been reaped. */
static void do_breed(char **arguments)
{
	enum { N_ORPHANS = 100 };
	pid_t *orphans = mmap(NULL, N_ORPHANS * sizeof(*orphans), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)arguments;
	if (orphans == MAP_FAILED)
		fail("mmap");
	for (;;) {
		pid_t parent = fork();

		for (int i = 0; parent == 0 && i < N_ORPHANS; i++) {
			pid_t orphan = fork();

			if (orphan < 0)
				fail("fork");
			if (orphan == 0)
				_exit(0);
			orphans[i] = orphan;
		}
		if (parent == 0)
			_exit(0);
		if (parent < 0 || waitpid(parent, NULL, 0) < 0)
			fail("fork");
		for (int i = 0; i < N_ORPHANS; i++) {
			while (kill(orphans[i], 0) == 0)
				sleep_ms(1);
		}
	}
}

/* Until somebody opens the other end of a FIFO. */
static void do_await(char **arguments)
{
	int fd = open(arguments[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(arguments[0]);
	close(fd);
}

static void do_open(char **arguments)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0 || dup2(fd, number(arguments[0])) < 0)
		fail("open");
	if (fd != number(arguments[0]))
		close(fd);
}

static void do_close(char **arguments)
{
	close(number(arguments[0]));
}

/* Whoever holds the other end of this descriptor learns of the exec by its end. */
static void do_cloexec(char **arguments)
{
	fcntl(number(arguments[0]), F_SETFD, FD_CLOEXEC);
}

/* limit RESOURCE SOFT: RLIMIT_* as a number; the hard limit stays. */
static void do_limit(char **arguments)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)number(arguments[0]), &limit) < 0)
		fail("getrlimit");
	limit.rlim_cur = (rlim_t)number(arguments[1]);
	if (setrlimit((__rlimit_resource_t)number(arguments[0]), &limit) < 0)
		fail("setrlimit");
}

static void do_user(char **arguments)
{
	if (setgid((gid_t)number(arguments[0])) < 0 || setuid((uid_t)number(arguments[0])) < 0)
		fail("setuid");
}

/* Out of the bounding set: a program that is executed from here on does not have it, root or not.
 */
static void do_drop_capability(char **arguments)
{
	if (prctl(PR_CAPBSET_DROP, (unsigned long)number(arguments[0])) < 0)
		fail("capability");
}

/* leave CHILD'S COMMANDS --: a child of this process, which goes on, be it as PID 1. */
static void do_leave_child(char **arguments)
{
	if (fork() == 0) {
		run_commands(arguments);
		_exit(0);
	}
}

static void do_exec(char **arguments)
{
	execv(arguments[0], arguments);
	fail(arguments[0]);
}

static const struct command commands[] = {
	{ "say", 1, do_say },
	{ "print", 1, do_print },
	{ "flood", 2, do_flood },
	{ "shout", 0, do_shout },
	{ "pipe-size", 1, do_pipe_size },
	{ "exit", 1, do_exit },
	{ "raise", 1, do_raise },
	{ "sleep", 1, do_sleep },
	{ "ignore", 1, do_ignore },
	{ "ignore-all", 0, do_ignore_all },
	{ "block-all", 0, do_block_all },
	{ "trap", 3, do_trap },
	{ "pause", 0, do_pause },
	{ "orphans", 2, do_orphans },
	{ "breed", 0, do_breed },
	{ "await", 1, do_await },
	{ "open", 1, do_open },
	{ "close", 1, do_close },
	{ "cloexec", 1, do_cloexec },
	{ "limit", 2, do_limit },
	{ "user", 1, do_user },
	{ "drop-capability", 1, do_drop_capability },
	{ "exec", 0, do_exec },
	{ "show", 1, do_show },
	{ "ready", 0, do_ready },
	{ "notify", 1, do_notify },
	{ "notify-size", 1, do_notify_size },
	{ "notify-fds", 1, do_notify_fds },
	{ "notify-from-child", 1, do_notify_from_child },
	{ "feed", 2, do_feed },
	{ "babble", 0, do_babble },
	{ "table", 1, do_table },
	{ "table-from-child", 1, do_table_from_child },
	{ "count", 2, do_count },
	{ "pass", 2, do_pass },
	{ "when", -1, do_when },
	{ "daemon", -1, do_daemon },
	{ "guest", -1, do_guest },
	{ "leave-child", -1, do_leave_child },
};

void run_commands(char **arguments)
{
	while (*arguments && strcmp(*arguments, "--") != 0) {
		const struct command *command = NULL;

		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && !command; i++) {
			if (strcmp(commands[i].name, *arguments) == 0)
				command = &commands[i];
		}
		if (!command) {
			say("victim: %s: is no command", *arguments);
			_exit(98);
		}
		command->run(++arguments);
		if (command->n_arguments >= 0) {
			arguments += command->n_arguments;
			continue;
		}
		while (*arguments && strcmp(*arguments, "--") != 0)
			arguments++;
		arguments += *arguments != NULL;
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	sigemptyset(&trapped);
	run_commands(argv + 1);
	return 0;
}
