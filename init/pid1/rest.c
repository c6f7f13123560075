#include "init/pid1/rest.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>

/* The name of a process, as the kernel has it; "?" if it is gone. */
static const char *process_name(pid_t pid, char buffer[static 32])
{
	autoclose int fd = -1;
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buffer, 31);
	if (n <= 0)
		return "?";
	buffer[n] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	return buffer;
}

typedef void child_fn(void *context, pid_t pid);

/*
 * The kernel lists our children; what they leave behind becomes ours in turn. kill(-1) would be
 * shorter, but it also hits what `docker exec` started, and without a PID namespace of our own it
 * would hit the machine.
 */
static void for_each_child(child_fn *function, void *context)
{
	char path[64], text[4096];
	autoclose int fd = -1;
	size_t kept = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* "12 345 6789 ": what has no blank behind it yet goes on in what is read next. */
	while ((n = fd < 0 ? -1 : read(fd, text + kept, sizeof(text) - 1 - kept)) > 0) {
		char *at = text;

		text[kept + (size_t)n] = '\0';
		for (char *end; (end = strchr(at, ' ')); at = end + 1) {
			pid_t pid = (pid_t)strtol(at, NULL, 10);

			if (pid > 0)
				function(context, pid);
		}
		kept = strlen(at);
		if (kept > 16)
			break; /* no number is that long */
		memmove(text, at, kept);
	}
	if (n < 0)
		log_error("%s: %s: what is left cannot be found", path, strerror(errno));
}

static uint64_t bit(pid_t pid)
{
	return UINT64_C(1) << (pid % 64);
}

struct round {
	struct rest *rest;
	unsigned n_unnamed;
};

static void end_child(void *context, pid_t pid)
{
	struct round *round = context;
	struct rest *rest = round->rest;
	uint64_t *told = rest->signal == SIGKILL ? rest->killed : rest->termed;
	char name[32];

	if (pid >= REST_PIDS || told[pid / 64] & bit(pid))
		return;
	told[pid / 64] |= bit(pid);
	if (rest->n_named++ < REST_NAMED)
		log_info("pid %d (%s) is left over: SIG%s", (int)pid, process_name(pid, name),
			 sigabbrev_np(rest->signal));
	else
		round->n_unnamed++;
	kill(pid, rest->signal);
	kill(pid, SIGCONT);
}

void rest_kill(struct rest *rest, int signal)
{
	struct round round = { .rest = rest };

	if (rest->signal != signal)
		rest->n_named = 0;
	rest->signal = signal;
	for_each_child(end_child, &round);
	if (round.n_unnamed)
		log_info("%u more processes are left over: SIG%s", round.n_unnamed,
			 sigabbrev_np(signal));
}

void rest_forget(struct rest *rest, pid_t pid)
{
	if (pid >= REST_PIDS)
		return;
	rest->termed[pid / 64] &= ~bit(pid);
	rest->killed[pid / 64] &= ~bit(pid);
}

static void name_child(void *context, pid_t pid)
{
	unsigned *n = context;
	char name[32];

	if ((*n)++ < REST_NAMED)
		log_warning("pid %d (%s) survives SIGKILL: the kernel holds it", (int)pid,
			    process_name(pid, name));
}

void rest_name(void)
{
	unsigned n = 0;

	for_each_child(name_child, &n);
	if (n > REST_NAMED)
		log_warning("%u more processes survive SIGKILL", n - REST_NAMED);
}
