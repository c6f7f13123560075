/*
 * A child from birth to burial. Its stderr is a pipe that is read until the child closed it or the
 * time is up; then the child is killed if need be, and reaped. It inherits nothing but 0, 1 and 2,
 * and none of the signal settings that casement-guest made for itself.
 */
#include "init/guest/command.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/** spawn() - Start @argv with @error_fd as its stderr. Return: 0 or -errno. */
static int spawn(char *const argv[], int error_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int result;

	if (posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes)) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	result = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!result)
		result = posix_spawn_file_actions_adddup2(&files, error_fd, STDOUT_FILENO);
	if (!result)
		result = posix_spawn_file_actions_adddup2(&files, error_fd, STDERR_FILENO);
	if (!result)
		result = posix_spawn(ret_pid, argv[0], &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -result;
}

/** collect() - Read @fd to its end or until @deadline. Return: 0 or -ETIMEDOUT. */
static int collect(int fd, int64_t deadline, size_t size, char *output)
{
	size_t used = 0;

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - now_ms();
		char rest[256];
		ssize_t n;

		if (left <= 0 || poll(&wait, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = used + 1 < size ? read(fd, output + used, size - 1 - used) :
				      read(fd, rest, sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (used + 1 < size) {
			used += (size_t)n;
			output[used] = '\0';
		}
	}
}

/** join_lines() - Make one line of several. */
static void join_lines(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	for (char *at = text; (at = strchr(at, '\n'));)
		*at = ' ';
}

int command_run(char *const argv[], int timeout, size_t size, char *ret_output)
{
	int64_t deadline = now_ms() + timeout;
	int pipe_fds[2], result, status = 0;
	pid_t pid = 0;

	ret_output[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	result = spawn(argv, pipe_fds[1], &pid);
	close(pipe_fds[1]);
	if (result == 0) {
		result = collect(pipe_fds[0], deadline, size, ret_output);
		join_lines(ret_output);
		if (result)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (result == 0 && status != 0)
			result = -EIO;
	}
	close(pipe_fds[0]);
	return result;
}
