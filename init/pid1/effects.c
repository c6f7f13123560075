/* The real effects. */
#include "init/pid1/loop.h"

#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
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
		loop_close(pid1->epoll_fd, take_fd(&channel->exec_fd));
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
	int result = sigqueue(service->pid, signal, carried);

	(void)context;
	/*
	 * Where none can be queued (RLIMIT_SIGPENDING), one without a value still goes; to the wait
	 * status that SIGUSR1 carries that would be a lie.
	 */
	if (result < 0 && errno == EAGAIN && signal != SIGUSR1)
		result = kill(service->pid, signal);
	if (result < 0)
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

static void do_kill_rest(void *context, int signal)
{
	struct pid1 *pid1 = context;

	rest_kill(&pid1->rest, signal);
}

static void do_name_rest(void *context)
{
	(void)context;
	rest_name();
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
