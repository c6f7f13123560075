#include "image/job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

int job_init(struct job *job)
{
	sigset_t set;

	*job = (struct job){ .stop_fd = -1,
			     .failure = { .code = EXIT_UNAVAILABLE, .text = "out of memory" } };
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	/* A reader of our output that went away is an error of write(2), and no reason to die. */
	signal(SIGPIPE, SIG_IGN);
	job->stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return job->stop_fd < 0 ? -errno : 0;
}

int job_wait(const struct job *job, int milliseconds)
{
	struct pollfd wait = { .fd = job->stop_fd, .events = POLLIN };

	return poll(&wait, 1, milliseconds) > 0 ? JOB_STOPPED : 0;
}

bool job_stopped(const struct job *job)
{
	return job_wait(job, 0) != 0;
}

int job_signal(const struct job *job)
{
	struct signalfd_siginfo info;

	return read(job->stop_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo
								       : SIGTERM;
}
