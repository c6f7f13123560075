#include "init/pid1/service.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

struct step {
	struct service *service;
	const struct effects *effects;
	int64_t now;
};

typedef void action_fn(const struct step *step);

static void enter(const struct step *step, enum service_state state, int64_t deadline)
{
	struct service *service = step->service;
	enum service_state old = service->state;

	service->state = state;
	service->deadline = deadline;
	service->latest = NEVER;
	if ((state == SERVICE_ENDING || state == SERVICE_STOPPING) && deadline != NEVER)
		service->latest = deadline + SERVICE_EXTEND_MAX_MS;
	service->since = step->now;
	/* The main service has work to do while it stops, and may hang in it. */
	if (state != SERVICE_STARTING && state != SERVICE_READY &&
	    !(state == SERVICE_STOPPING && service->config->main))
		service->starves = NEVER;
	step->effects->changed(step->effects->context, service, (int)old);
}

static int64_t after(const struct step *step, int64_t ms)
{
	return ms ? step->now + ms : NEVER;
}

bool service_has_finished(const struct service *service)
{
	int code = WEXITSTATUS(service->wait_status);

	return !service->pushed && WIFEXITED(service->wait_status) &&
	       (service->config->final_codes[code / 32] >> (code % 32) & 1);
}

/*
 * The wait before the first restart since the service was healthy, the second, …: backoff, twice
 * that, four times that, …, at most backoff-max. A program that ends with 0 again and again,
 * because it puts itself into the background for instance, has to wait like one that fails.
 */
static unsigned backoff_ms(const struct service *service)
{
	const struct service_config *config = service->config;
	unsigned doublings = service->tries - 1;
	uint64_t ms = doublings < 32 ? (uint64_t)config->backoff << doublings : config->backoff_max;

	return (unsigned)(ms < config->backoff_max ? ms : config->backoff_max);
}

/* The pause before a restart, with what chance adds. */
static int64_t pause_ms(const struct step *step, unsigned ms)
{
	unsigned most = (unsigned)((uint64_t)ms * SERVICE_JITTER_PERCENT / 100);

	return (int64_t)ms + step->effects->chance(step->effects->context, most);
}

/*
 * A process is gone that nobody asked to go: decide between a restart, a quiet end and failure for
 * good. One that never became the program for want of something has not ended: whatever `restart`
 * and its limit say of ends, it is tried again.
 */
static void decide_restart(const struct step *step, bool failed)
{
	struct service *service = step->service;
	const struct service_config *config = service->config;
	bool wanted = config->restart == RESTART_ALWAYS ||
		      (failed && config->restart == RESTART_ON_FAILURE);

	if (!service->stalled)
		service->failures = failed ? service->failures + 1 : 0;
	if (!service->stalled &&
	    (!wanted || service_has_finished(service) || service->exec_failed ||
	     (failed && config->restart_limit && service->failures >= config->restart_limit))) {
		enter(step, failed ? SERVICE_FAILED : SERVICE_STOPPED, NEVER);
		return;
	}
	service->restarts++;
	service->tries++;
	enter(step, SERVICE_BACKOFF, step->now + pause_ms(step, backoff_ms(service)));
}

static void start(const struct step *step)
{
	struct service *service = step->service;
	const struct service_config *config = service->config;
	pid_t pid = step->effects->spawn(step->effects->context, service);

	service->started = step->now;
	service->started_once = true;
	service->accuser = NULL;
	service->spoke = service->exec_failed = service->pushed = service->killed = false;
	service->stalled = pid < 0; /* no fault of the service's */
	service->status[0] = '\0';
	if (pid < 0) {
		service->wait_status = W_EXITCODE(126, 0);
		snprintf(service->problem, sizeof(service->problem), "no process: %s",
			 strerror(-pid));
		decide_restart(step, true);
		return;
	}
	service->pid = pid;
	service->starves = after(step, config->watchdog);
	enter(step, SERVICE_STARTING, after(step, config->start_timeout));
}

static void become_ready(const struct step *step)
{
	step->service->problem[0] = '\0';
	enter(step, SERVICE_READY, NEVER);
}

static void execed(const struct step *step)
{
	if (step->service->config->type == SERVICE_SIMPLE)
		become_ready(step);
}

static void said_ready(const struct step *step)
{
	if (step->service->config->type == SERVICE_NOTIFY)
		become_ready(step);
}

/*
 * Did it fail for want of something that may be there in a moment: memory, processes, descriptors,
 * a file that nobody writes to? All else is as wrong the next time.
 */
static bool is_passing(int error)
{
	return error == EAGAIN || error == ENOMEM || error == ETXTBSY || error == ENFILE ||
	       error == EMFILE || error == EIO;
}

static void exec_failed(const struct step *step)
{
	step->service->exec_failed = true;
	step->service->stalled = is_passing(step->service->exec_error);
}

static void describe_end(struct service *service)
{
	if (WIFSIGNALED(service->wait_status))
		snprintf(service->problem, sizeof(service->problem), "killed by SIG%s",
			 sigabbrev_np(WTERMSIG(service->wait_status))
				 ? sigabbrev_np(WTERMSIG(service->wait_status))
				 : "?");
	else if (!service->exec_failed)
		snprintf(service->problem, sizeof(service->problem), "exited with %d",
			 WEXITSTATUS(service->wait_status));
}

/*
 * A long healthy life makes up for the failures before it. A long start does not: a service that
 * hangs is not healthy.
 */
static void forget_failures(const struct step *step)
{
	struct service *service = step->service;

	if (service->state == SERVICE_READY &&
	    step->now - service->since >= service->config->healthy_after)
		service->failures = service->tries = 0;
}

/* Gone on its own account. For a oneshot the end with 0 is what makes it ready. */
static void exited(const struct step *step)
{
	struct service *service = step->service;
	bool clean = WIFEXITED(service->wait_status) && WEXITSTATUS(service->wait_status) == 0;

	service->pid = 0;
	if (clean && service->config->type == SERVICE_ONESHOT) {
		service->failures = service->tries = 0;
		service->starves = NEVER; /* there is nobody left who could feed the watchdog */
		become_ready(step);
		return;
	}
	forget_failures(step);
	describe_end(service);
	/*
	 * A notify service that ends with 0 before it was ready did not do what it was started for.
	 */
	decide_restart(step, !clean || service->state == SERVICE_STARTING);
}

static void ended(const struct step *step)
{
	step->service->pid = 0;
	step->service->killed = false;
	decide_restart(step, true);
}

static void stopped(const struct step *step)
{
	step->service->pid = 0;
	enter(step, SERVICE_STOPPED, NEVER);
}

static void fail_start(const struct step *step)
{
	struct service *service = step->service;

	snprintf(service->problem, sizeof(service->problem), "not ready after %u ms",
		 service->config->start_timeout);
	service->pushed = true;
	/* To the main service the stop signal means: shut the guest down. That is not what is
	 * wanted. */
	step->effects->kill(step->effects->context, service,
			    service->config->main ? SIGABRT : service->config->stop_signal, 0);
	enter(step, SERVICE_ENDING, after(step, service->config->stop_timeout));
}

static void describe_hang(struct service *service)
{
	if (service->accuser)
		snprintf(service->problem, sizeof(service->problem), "it does not answer %s",
			 service->accuser);
	else
		snprintf(service->problem, sizeof(service->problem), "no WATCHDOG=1 for %u ms",
			 service->config->watchdog);
}

static void starved(const struct step *step)
{
	struct service *service = step->service;

	forget_failures(step);
	describe_hang(service);
	service->pushed = true;
	step->effects->kill(step->effects->context, service, SIGABRT, 0);
	enter(step, SERVICE_ENDING, after(step, service->config->stop_timeout));
}

/* It hangs while it stops. The time that it was given goes on; who comes after it may use the rest.
 */
static void starved_stopping(const struct step *step)
{
	struct service *service = step->service;

	service->starves = NEVER;
	describe_hang(service);
	step->effects->kill(step->effects->context, service, SIGABRT, 0);
}

/*
 * It did not end in time. SIGKILL; and if not even that helps, the kernel holds the process: go on
 * without it.
 */
static void force(const struct step *step)
{
	struct service *service = step->service;

	if (service->killed) {
		snprintf(service->problem, sizeof(service->problem), "pid %d survives SIGKILL",
			 (int)service->pid);
		service->pid = 0;
		enter(step, SERVICE_FAILED, NEVER);
		return;
	}
	service->killed = true;
	step->effects->kill(step->effects->context, service, SIGKILL, 0);
	service->deadline = step->now + SERVICE_KILL_PATIENCE_MS;
}

static void send_stop(const struct step *step)
{
	struct service *service = step->service;

	step->effects->kill(step->effects->context, service, service->config->stop_signal,
			    service->stop_value);
	/*
	 * The value is the time that the service was given for its work; stop-timeout comes on top.
	 */
	enter(step, SERVICE_STOPPING,
	      after(step, (int64_t)service->config->stop_timeout + service->stop_value +
				  service->stop_extra));
}

/*
 * A signal that comes before the child has blocked it ends the child without a word. For most that
 * is a good end, but the main service may have a guest to take care of: wait for its first
 * datagram.
 */
static void stop_starting(const struct step *step)
{
	const struct service *service = step->service;

	if (service->config->main && service->config->type == SERVICE_NOTIFY && !service->spoke)
		enter(step, SERVICE_HOLDING, step->now + SERVICE_HOLD_MS);
	else
		send_stop(step);
}

static void stop_ready(const struct step *step)
{
	if (step->service->pid)
		send_stop(step);
	else
		stopped(step); /* a oneshot that has done its work */
}

/* It is being ended already: only what follows changes. */
static void stop_ending(const struct step *step)
{
	int64_t latest = step->service->latest;

	enter(step, SERVICE_STOPPING, step->service->deadline);
	step->service->latest = latest;
}

static void retry(const struct step *step)
{
	enter(step, SERVICE_WAITING, NEVER);
}

/* Failed for good, and yet somebody cannot do without it: it has all its attempts once more. */
static void forgive(const struct step *step)
{
	step->service->failures = step->service->tries = 0;
	step->service->restarts++;
	retry(step);
}

static void ignore(const struct step *step)
{
	(void)step;
}

/* What happens in a state when an event arrives. */
/* clang-format off */
static action_fn *const actions[N_SERVICE_STATES][N_SERVICE_EVENTS] = {
	/*                      START   EXECED  EXEC_FAILED  SPOKE      SAID_READY  EXITED   DEADLINE    STARVED  STOP */
	[SERVICE_WAITING]  = { start,  ignore, ignore,      ignore,    ignore,     ignore,  ignore,     ignore,  stopped },
	[SERVICE_STARTING] = { ignore, execed, exec_failed, ignore,    said_ready, exited,  fail_start, starved, stop_starting },
	[SERVICE_READY]    = { ignore, ignore, ignore,      ignore,    ignore,     exited,  ignore,     starved, stop_ready },
	[SERVICE_ENDING]   = { ignore, ignore, exec_failed, ignore,    ignore,     ended,   force,      ignore,  stop_ending },
	[SERVICE_BACKOFF]  = { ignore, ignore, ignore,      ignore,    ignore,     ignore,  retry,      ignore,  stopped },
	[SERVICE_HOLDING]  = { ignore, ignore, exec_failed, send_stop, send_stop,  stopped, send_stop,  ignore,  ignore },
	[SERVICE_STOPPING] = { ignore, ignore, exec_failed, ignore,    ignore,     stopped, force,      starved_stopping, ignore },
	[SERVICE_STOPPED]  = { start,  ignore, ignore,      ignore,    ignore,     ignore,  ignore,     ignore,  ignore },
	[SERVICE_FAILED]   = { forgive, ignore, ignore,      ignore,    ignore,     ignore,  ignore,     ignore,  ignore },
};
/* clang-format on */

void service_init(struct service *service, const struct service_config *config, int64_t now)
{
	*service = (struct service){
		.config = config,
		.state = SERVICE_WAITING,
		.since = now,
		.deadline = NEVER,
		.starves = NEVER,
		.reload_ends = NEVER,
	};
}

void service_event(struct service *service, enum service_event event, const struct effects *effects,
		   int64_t now)
{
	const struct step step = { .service = service, .effects = effects, .now = now };

	if (event == SERVICE_SPOKE || event == SERVICE_SAID_READY)
		service->spoke = true;
	actions[service->state][event](&step);
}

void service_feed(struct service *service, int64_t now)
{
	if (service->starves != NEVER)
		service->starves = now + service->config->watchdog;
}

void service_extend(struct service *service, int64_t ms, int64_t now)
{
	int64_t wanted = now + ms < service->latest ? now + ms : service->latest;

	if (service->deadline != NEVER && !service->killed && wanted > service->deadline)
		service->deadline = wanted;
}

static void put_off(int64_t *time, int64_t ms)
{
	if (*time != NEVER)
		*time += ms;
}

void service_lost(struct service *service, int64_t ms)
{
	put_off(&service->deadline, ms);
	put_off(&service->latest, ms);
	put_off(&service->starves, ms);
	put_off(&service->reload_ends, ms);
}

int64_t service_next_deadline(const struct service *service)
{
	int64_t next = service->starves < service->deadline ? service->starves : service->deadline;

	return service->reload_ends < next ? service->reload_ends : next;
}

bool service_is_down(const struct service *service)
{
	return service->state == SERVICE_STOPPED || service->state == SERVICE_FAILED;
}

int service_exit_code(const struct service *service)
{
	if (WIFSIGNALED(service->wait_status))
		return 128 + WTERMSIG(service->wait_status);
	return WEXITSTATUS(service->wait_status);
}

const char *service_state_name(enum service_state state)
{
	static const char *const names[] = { "waiting",	 "starting", "ready",
					     "stopping", "backoff",  "stopping",
					     "stopping", "stopped",  "failed" };

	static_assert(ARRAY_SIZE(names) == N_SERVICE_STATES, "a state without a name");
	return names[state];
}
