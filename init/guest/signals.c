#include "init/guest/signals.h"

#include "lib/util.h"

#include <errno.h>

/* PIPE: some library may write to a socket that nobody reads. */
static const int blocked[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE
};

static sigset_t the_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++)
		sigaddset(&set, blocked[i]);
	return set;
}

void signals_block(void)
{
	sigset_t set = the_set();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

int signals_open(void)
{
	sigset_t set = the_set();
	int fd;

	sigdelset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int signals_value(const struct signalfd_siginfo *info)
{
	return info->ssi_code == SI_QUEUE ? info->ssi_int : 0;
}
