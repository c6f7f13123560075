/* Starting a process: what the child has and has not, and how the parent learns of every stage that
 * fails. */
#include "init/pid1/spawn.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

/* One child: what it was told, what it wrote, how it ended, and what its exec pipe said. */
struct fixture {
	struct spawn spawn;
	char *argv[4];
	char *environment[3];
	int reader;
	char text[8192];
	int wait_status;
	int result; /* of spawn_read_failure() */
	struct spawn_failure failure;
};

static char path_variable[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

static int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f->reader = fds[0];
	f->environment[0] = path_variable;
	f->spawn = (struct spawn){ .argv = f->argv,
				   .environment = f->environment,
				   .output_fd = fds[1] };
	alarm(20);
	*state = f;
	return 0;
}

static int leave(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	close(f->reader);
	if (f->spawn.output_fd >= 0)
		close(f->spawn.output_fd);
	free(f);
	return 0;
}

/** run() - Start it and wait for its exec and for its end. */
static void run(struct fixture *f)
{
	struct pollfd poller = { .events = POLLIN };
	ssize_t n;
	pid_t pid;

	assert_int_equal(spawn_process(&f->spawn, &pid, &poller.fd), 0);
	assert_true(pid > 0);
	assert_int_equal(fcntl(poller.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(poll(&poller, 1, -1), 1);
	f->result = spawn_read_failure(poller.fd, &f->failure);
	close(poller.fd);
	assert_int_equal(waitpid(pid, &f->wait_status, 0), pid);
	close(f->spawn.output_fd);
	f->spawn.output_fd = -1;
	n = read(f->reader, f->text, sizeof(f->text) - 1);
	assert_true(n >= 0);
	f->text[n] = '\0';
}

static void run_shell(struct fixture *f, const char *script)
{
	char shell[] = "/bin/sh", option[] = "-c", copy[128];

	snprintf(copy, sizeof(copy), "%s", script);
	f->argv[0] = shell;
	f->argv[1] = option;
	f->argv[2] = copy;
	run(f);
}

static void has_run(const struct fixture *f, const char *text)
{
	assert_string_equal(f->text, text);
	assert_int_equal(f->result, 0);
	assert_int_equal(f->wait_status, 0);
}

static void has_failed(struct fixture *f, const char *program, enum spawn_stage stage, int error,
		       int code)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", program);
	f->argv[0] = name;
	run(f);
	assert_int_equal(f->result, 1);
	assert_int_equal(f->failure.stage, stage);
	assert_int_equal(f->failure.error, error);
	assert_true(WIFEXITED(f->wait_status));
	assert_int_equal(WEXITSTATUS(f->wait_status), code);
}

static void test_runs(void **state)
{
	struct fixture *f = *state;
	char variable[] = "GREETING=hello";

	f->environment[1] = variable;
	run_shell(f, "echo $GREETING; pwd; echo err >&2; cat; readlink /proc/self/fd/0; exit 0");
	has_run(f, "hello\n/\nerr\n/dev/null\n");
}

static void test_path_lookup(void **state)
{
	struct fixture *f = *state;
	char program[] = "true";

	f->argv[0] = program;
	run(f);
	has_run(f, "");
}

static void test_missing(void **state)
{
	has_failed(*state, "/no/such/program", SPAWN_EXEC, ENOENT, 127);
}

static void test_missing_in_path(void **state)
{
	has_failed(*state, "no-such-program-anywhere", SPAWN_EXEC, ENOENT, 127);
}

static void test_is_directory(void **state)
{
	has_failed(*state, "/etc", SPAWN_EXEC, EACCES, 126);
}

static void test_not_executable(void **state)
{
	has_failed(*state, "/etc/passwd", SPAWN_EXEC, EACCES, 126);
}

static void test_bad_directory(void **state)
{
	struct fixture *f = *state;

	f->spawn.directory = "/no/such/directory";
	has_failed(f, "/bin/true", SPAWN_DIRECTORY, ENOENT, 126);
}

static void test_directory(void **state)
{
	struct fixture *f = *state;

	f->spawn.directory = "/usr";
	run_shell(f, "pwd");
	has_run(f, "/usr\n");
}

/* Nothing of ours but 0, 1 and 2, close-on-exec or not. */
static void test_fds(void **state)
{
	struct fixture *f = *state;
	int leaked = open("/dev/null", O_RDONLY), high = fcntl(leaked, F_DUPFD, 700);

	assert_true(leaked >= 0 && high >= 700);
	/* While it looks the shell has one more; that is gone when it tests. */
	run_shell(f, "for fd in /proc/$$/fd/*; do [ -e $fd ] && echo ${fd##*/}; done; true");
	has_run(f, "0\n1\n2\n");
	close(leaked);
	close(high);
}

/* Whatever we have blocked, ignored or caught: the child begins with nothing of it. */
static void test_signals(void **state)
{
	struct fixture *f = *state;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (int i = 1; i <= SIGRTMAX; i++) {
		/* Without zombies there would be nothing to wait for. */
		if (i != SIGCHLD)
			signal(i, SIG_IGN);
	}
	run_shell(f, "exec cat /proc/self/status");
	for (int i = 1; i <= SIGRTMAX; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(f->wait_status, 0);
	assert_non_null(strstr(f->text, "\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
					"SigCgt:\t0000000000000000\n"));
}

static void test_session(void **state)
{
	struct fixture *f = *state;
	char expected[64];
	pid_t pid;

	/* pid, parent, process group and session of the shell itself. */
	run_shell(f, "read -r stat </proc/self/stat; set -- ${stat#*) }; echo $2 $3 $4 $$");
	assert_int_equal(f->wait_status, 0);
	assert_int_equal(sscanf(f->text, "%*d %*d %*d %d", &pid), 1);
	snprintf(expected, sizeof(expected), "%d %d %d %d\n", (int)getpid(), (int)pid, (int)pid,
		 (int)pid);
	assert_string_equal(f->text, expected);
}

static void test_user(void **state)
{
	static const gid_t groups[] = { 54321, 54322 };
	struct fixture *f = *state;

	f->spawn.change_user = true;
	f->spawn.uid = 12345;
	f->spawn.gid = 54320;
	f->spawn.groups = groups;
	f->spawn.n_groups = ARRAY_SIZE(groups);
	run_shell(f, "grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr '\\t' ' '");
	has_run(f, "Uid: 12345 12345 12345 12345\nGid: 54320 54320 54320 54320\nGroups: 54321 "
		   "54322 \n");
}

/* The exec pipe: silent, closed, and closed in the middle of a word. */
static void test_read_failure(void **state)
{
	struct spawn_failure failure = { SPAWN_USER, EPERM }, read_back = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(spawn_read_failure(fds[0], &read_back), -EAGAIN);
	assert_int_equal(write(fds[1], &failure, sizeof(failure)), sizeof(failure));
	assert_int_equal(spawn_read_failure(fds[0], &read_back), 1);
	assert_int_equal(read_back.stage, SPAWN_USER);
	assert_int_equal(read_back.error, EPERM);
	assert_int_equal(write(fds[1], &failure, 1), 1);
	close(fds[1]);
	assert_int_equal(spawn_read_failure(fds[0], &read_back), 0);
	assert_int_equal(spawn_read_failure(fds[0], &read_back), 0);
	close(fds[0]);
	assert_string_equal(spawn_stage_name(SPAWN_DIRECTORY), "working directory");
	assert_string_equal(spawn_stage_name(SPAWN_EXEC), "exec");
}

/* No descriptor for the pipe, or no process: an error, and nothing is left open. */
static void test_no_resources(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, none;
	pid_t pid = -7;
	int fd = -7;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(spawn_process(&f->spawn, &pid, &fd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(pid, -7);
	assert_int_equal(fd, -7);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_runs),	  TEST(test_path_lookup),
		TEST(test_missing),	  TEST(test_missing_in_path),
		TEST(test_is_directory),  TEST(test_not_executable),

		TEST(test_bad_directory), TEST(test_directory),
		TEST(test_fds),		  TEST(test_signals),
		TEST(test_session),

		TEST(test_user),	  TEST(test_read_failure),
		TEST(test_no_resources),
	};

	return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
