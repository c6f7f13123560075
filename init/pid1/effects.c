/* The real effects. */
#include "init/pid1/loop.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/random.h>

static size_t service_index(const struct pid1 *pid1, const struct service *service)
{
	return (size_t)(service - pid1->supervisor.services);
}

static pid_t do_spawn(void *context, struct service *service)
{
	struct pid1 *pid1 = context;
	size_t index = service_index(pid1, service);
	struct channel *channel = &pid1->channels[index];
	pid_t pid;
	int result;

	if (channel->exec_fd >= 0)
		close(take_fd(&channel->exec_fd));
	result = spawn_process(&channel->spawn, &pid, &channel->exec_fd);
	if (result < 0) {
		log_error("%s: no process can be made: %s", service->config->name,
			  strerror(-result));
		return result;
	}
	/*
	 * Without this we only learn of the exec when the child speaks or dies; a simple service
	 * would stay `starting`.
	 */
	result = loop_add(pid1->epoll_fd, channel->exec_fd, EPOLLIN, SOURCE_EXEC, index);
	if (result < 0)
		log_error("%s: its exec cannot be watched: %s", service->config->name,
			  strerror(-result));
	pid1->supervisor.no_children = false;
	return pid;
}

static void do_kill(void *context, const struct service *service, int signal, int value)
{
	const union sigval carried = { .sival_int = value };

	(void)context;
	if (sigqueue(service->pid, signal, carried) < 0)
		log_warning("%s: SIG%s cannot be sent to pid %d: %s", service->config->name,
			    sigabbrev_np(signal), (int)service->pid, strerror(errno));
	if (signal != SIGKILL)
		kill(service->pid, SIGCONT);
	else if (service->killed) /* and not because SIGKILL is its stop signal */
		log_warning("%s: pid %d did not stop in time and was killed", service->config->name,
			    (int)service->pid);
}

static void do_changed(void *context, const struct service *service, int old)
{
	const char *name = service->config->name;
	int64_t took = service->since - service->started;

	(void)context;
	switch (service->state) {
	case SERVICE_READY: log_info("%s is ready (%lld ms)", name, (long long)took); break;
	case SERVICE_ENDING: log_warning("%s: %s: ending it", name, service->problem); break;
	case SERVICE_BACKOFF:
		log_warning("%s: %s; restart %u in %lld ms", name, service->problem,
			    service->restarts, (long long)(service->deadline - service->since));
		break;
	case SERVICE_FAILED: log_error("%s failed for good: %s", name, service->problem); break;
	case SERVICE_STOPPED:
		if (old != SERVICE_WAITING && service->started_once)
			log_info("%s has stopped", name);
		break;
	case SERVICE_WAITING:
	case SERVICE_STARTING:
	case SERVICE_HOLDING:
	case SERVICE_STOPPING:
	case N_SERVICE_STATES:
		log_debug("%s is %s (pid %d)", name, service_state_name(service->state),
			  (int)service->pid);
		break;
	}
}

static bool remember(struct rest *rest, pid_t pid)
{
	for (size_t i = 0; i < rest->n; i++) {
		if (rest->pids[i] == pid)
			return false;
	}
	if (rest->n < REST_REMEMBERED)
		rest->pids[rest->n++] = pid;
	return true;
}

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

typedef void child_fn(struct rest *rest, pid_t pid, const char *name);

/*
 * The kernel lists our children; what they leave behind becomes ours in turn. kill(-1) would be
 * shorter, but it also hits what `docker exec` started, and without a PID namespace of our own it
 * would hit the machine.
 */
static void for_each_child(struct rest *rest, child_fn *function)
{
	char path[64], text[4096], name[32];
	autoclose int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		log_error("%s: %s: what is left cannot be found", path, strerror(errno));
		return;
	}
	/*
	 * "12 345 6789 ": a number that the buffer cut has no blank behind it; its turn comes when
	 * others are gone.
	 */
	text[n] = '\0';
	for (char *at = text, *end; (end = strchr(at, ' ')); at = end + 1) {
		pid_t pid = (pid_t)strtol(at, NULL, 10);

		if (pid > 0)
			function(rest, pid, process_name(pid, name));
	}
}

static void end_child(struct rest *rest, pid_t pid, const char *name)
{
	if (!remember(rest, pid))
		return;
	log_info("pid %d (%s) is left over: SIG%s", (int)pid, name, sigabbrev_np(rest->signal));
	kill(pid, rest->signal);
	kill(pid, SIGCONT);
}

static void do_kill_rest(void *context, int signal)
{
	struct pid1 *pid1 = context;

	if (pid1->rest.signal != signal)
		pid1->rest = (struct rest){ .signal = signal };
	for_each_child(&pid1->rest, end_child);
}

static void name_child(struct rest *rest, pid_t pid, const char *name)
{
	(void)rest;
	log_warning("pid %d (%s) survives SIGKILL: the kernel holds it", (int)pid, name);
}

static void do_name_rest(void *context)
{
	struct pid1 *pid1 = context;

	for_each_child(&pid1->rest, name_child);
}

/* Without a number from the kernel there is no chance, which does no harm. */
static unsigned do_chance(void *context, unsigned limit)
{
	uint32_t number = 0;

	(void)context;
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		return 0;
	return (unsigned)((uint64_t)number * (limit + 1ULL) >> 32);
}

void effects_init(struct effects *effects, struct pid1 *pid1)
{
	*effects = (struct effects){
		.context = pid1,
		.spawn = do_spawn,
		.kill = do_kill,
		.changed = do_changed,
		.kill_rest = do_kill_rest,
		.name_rest = do_name_rest,
		.chance = do_chance,
	};
}
