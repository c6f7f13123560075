/*
 * A child from birth to burial. Its stderr is a pipe that is read until the child closed it or the
 * time is up; then the child is killed if need be, and reaped. It inherits nothing but 0, 1 and 2,
 * and none of the signal settings that casement-guest made for itself. It dies with casement-guest,
 * even when that is killed: a copy that nobody waits for would hold the disk against the next QEMU.
 */
#include "init/guest/command.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern char **environ;

/** become() - In the child: the program, or an end with 127. */
static _Noreturn void become(char *const argv[], int error_fd, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have ended before that was said. */
	if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(error_fd, STDOUT_FILENO) < 0 || dup2(error_fd, STDERR_FILENO) < 0)
		_exit(127);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(argv[0], argv, environ);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
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
		n = used + 1 < size ? read(fd, output + used, size - 1 - used)
				    : read(fd, rest, sizeof(rest));
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
	int pipe_fds[2], result = 0, status = 0;
	pid_t parent = getpid(), pid;

	ret_output[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0)
		become(argv, pipe_fds[1], parent);
	if (pid < 0)
		result = -errno;
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
