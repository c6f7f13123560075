/*
 * A child from birth to burial. It has nothing of ours but the descriptors 0, 1 and 2, and dies
 * with us, even when we are killed: else it would go on filling a file that nobody wants.
 */
#include "image/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern char **environ;

/** become() - In the child: the program, or an end with 127. */
static _Noreturn void become(char *const argv[], int out, int error, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have ended before that was said. */
	if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(argv[0], argv, environ);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/** take_in() - Read once. Return: false at the end. */
static bool take_in(struct job *job, int fd, char *buffer, size_t size, size_t *used,
		    void (*watch)(struct job *job, const char *text))
{
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	size_t room = size - 1 - *used;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	text[n] = '\0';
	if (watch) {
		watch(job, text);
		return true;
	}
	if (room > (size_t)n)
		room = (size_t)n;
	memcpy(buffer + *used, text, room);
	*used += room;
	buffer[*used] = '\0';
	return true;
}

/** collect() - Until both of its outputs are closed. Return: 0 or JOB_STOPPED. */
static int collect(struct job *job, int out, int error,
		   void (*watch)(struct job *job, const char *text), struct child_output *output)
{
	struct pollfd wait[] = { { .fd = out, .events = POLLIN },
				 { .fd = error, .events = POLLIN },
				 { .fd = job->stop_fd, .events = POLLIN } };
	size_t n_error = 0;

	while (wait[0].fd >= 0 || wait[1].fd >= 0) {
		if (poll(wait, 3, -1) < 0)
			continue;
		if (wait[2].revents)
			return JOB_STOPPED;
		if (wait[0].revents &&
		    !take_in(job, out, output->out, sizeof(output->out), &output->n_out, watch))
			wait[0].fd = -1;
		if (wait[1].revents &&
		    !take_in(job, error, output->error, sizeof(output->error), &n_error, NULL))
			wait[1].fd = -1;
	}
	return 0;
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

int child_run(struct job *job, char *const argv[], void (*watch)(struct job *job, const char *text),
	      struct child_output *ret_output)
{
	int out[2], error[2], result, status = 0;
	pid_t parent = getpid(), pid;

	memset(ret_output, 0, sizeof(*ret_output));
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(error, O_CLOEXEC)) {
		result = -errno;
		close(out[0]);
		close(out[1]);
		return result;
	}
	pid = fork();
	if (pid == 0)
		become(argv, out[1], error[1], parent);
	result = pid < 0 ? -errno : 0;
	close(out[1]);
	close(error[1]);
	if (result == 0) {
		result = collect(job, out[0], error[0], watch, ret_output);
		if (result)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(out[0]);
	close(error[0]);
	join_lines(ret_output->error);
	ret_output->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return result;
}
