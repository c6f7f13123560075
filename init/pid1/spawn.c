#include "init/pid1/spawn.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int set_limit(int resource, uint64_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -1;
	/*
	 * The container's own limit cannot be raised without SYS_RESOURCE; less than asked for is
	 * what there is. RLIM_INFINITY is the largest number.
	 */
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit);
}

static int set_limits(const struct spawn *spawn)
{
	if (spawn->nofile && set_limit(RLIMIT_NOFILE, spawn->nofile) < 0)
		return -1;
	for (unsigned i = 0; spawn->limits && i < N_LIMITS; i++) {
		if (spawn->limits->set >> i & 1 &&
		    set_limit(limits_resource((enum limit)i), spawn->limits->value[i]) < 0)
			return -1;
	}
	return 0;
}

/* Lowering the score needs SYS_RESOURCE, which a container seldom has: then it stays as it is. */
static void adjust_oom_score(int score)
{
	char text[16];
	int fd;

	if (!score)
		return;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", score)) < 0)
		errno = 0;
	close(fd);
}

static int become_user(const struct spawn *spawn)
{
	if (!spawn->change_user)
		return 0;
	if (setgroups(spawn->n_groups, spawn->groups) < 0 || setgid(spawn->gid) < 0)
		return -1;
	return setuid(spawn->uid);
}

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i <= SIGRTMAX; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only async-signal-safe calls from here to exec. Return: the stage that failed, with errno set. */
static enum spawn_stage become_program(const struct spawn *spawn)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(spawn->output_fd, STDOUT_FILENO);
	dup2(spawn->output_fd, STDERR_FILENO);
	/* The pipe outlives the service's processes, and with it an O_NONBLOCK that one of them
	 * set. */
	fcntl(STDOUT_FILENO, F_SETFL, 0);
	/* Not whatever the container's runtime happened to have. */
	umask(S_IWGRP | S_IWOTH);
	/* What was inherited from whoever started the container is not for the services. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (chdir(spawn->directory ? spawn->directory : "/") < 0)
		return SPAWN_DIRECTORY;
	/* It needs a descriptor, which few may be left of under the service's limits. */
	adjust_oom_score(spawn->oom_score_adjust);
	if (set_limits(spawn) < 0)
		return SPAWN_LIMITS;
	if (become_user(spawn) < 0)
		return SPAWN_USER;
	reset_signals();
	execvpe(spawn->argv[0], spawn->argv, spawn->environment);
	return SPAWN_EXEC;
}

int spawn_process(const struct spawn *spawn, pid_t *ret_pid, int *ret_exec_fd)
{
	autoclose int read_fd = -1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	read_fd = fds[0];
	pid = fork();
	if (pid == 0) {
		struct spawn_failure failure = { .stage = become_program(spawn), .error = errno };

		if (write(fds[1], &failure, sizeof(failure)) < 0)
			_exit(126);
		_exit(failure.stage == SPAWN_EXEC && failure.error == ENOENT ? 127 : 126);
	}
	close(fds[1]);
	if (pid < 0)
		return -errno;
	*ret_pid = pid;
	*ret_exec_fd = take_fd(&read_fd);
	return 0;
}

int spawn_read_failure(int exec_fd, struct spawn_failure *ret_failure)
{
	struct spawn_failure failure;
	ssize_t n = read(exec_fd, &failure, sizeof(failure));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	if (n < (ssize_t)sizeof(failure))
		return 0;
	*ret_failure = failure;
	return 1;
}

const char *spawn_stage_name(enum spawn_stage stage)
{
	static const char *const names[] = { "working directory", "limits", "user", "exec" };

	static_assert(ARRAY_SIZE(names) == N_SPAWN_STAGES, "a stage without a name");
	return names[stage];
}
