/*
 * The loop: step, tell, wait, take. Events only say what happened; supervisor_step() decides and
 * acts, once per round, so that the order in which the kernel reports does not matter, with one
 * exception: what a child said is taken before its death is, because it said it before it died.
 */
#include "init/pid1/loop.h"

#include "init/pid1/forwards.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* Children reaped in one round: a flood of orphans must not keep the status socket waiting. */
#define REAP_BATCH 512

/*
 * Nor must a crowd of living ones, which the kernel goes through for each that is dead: after so
 * long the others have their turn. The clock is looked at once in REAP_LOOK children.
 */
#define REAP_MS 5
#define REAP_LOOK 16

/* What the outside has no room for is told again after this time. */
#define OUTSIDE_RETRY_MS 1000

#define MAX_EVENTS 64

/* Taken in one round; of a child that never stops talking the rest has to wait for the next. */
#define MAX_DATAGRAMS 64

#define MAX_SIGNALS 16

/* While a time runs that services must keep, PID 1 looks this often whether anybody ran. */
#define LOOK_MS 1000

void loop_signals(sigset_t *ret_signals)
{
	static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };

	sigfillset(ret_signals);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(ret_signals, faults[i]);
}

static int control(int epoll_fd, int operation, int fd, uint32_t events, enum source source,
		   size_t index)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t)source << 32 | index };

	return epoll_ctl(epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int loop_add(int epoll_fd, int fd, uint32_t events, enum source source, size_t index)
{
	return control(epoll_fd, EPOLL_CTL_ADD, fd, events, source, index);
}

int loop_change(int epoll_fd, int fd, uint32_t events, enum source source, size_t index)
{
	return control(epoll_fd, EPOLL_CTL_MOD, fd, events, source, index);
}

void loop_close(int epoll_fd, int fd)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

static void take_datagrams(struct pid1 *pid1, size_t index, int64_t now)
{
	struct service *service = &pid1->supervisor.services[index];
	char buffer[NOTIFY_MAX];
	pid_t pid;

	for (int i = 0; i < MAX_DATAGRAMS; i++) {
		autoclose int passed = -1;
		int result = notify_receive(pid1->channels[index].notify_fd, buffer, &pid, &passed);

		if (result < 0)
			return;
		if (result == 0 || !service->pid || pid != service->pid)
			log_debug("%s: a message from pid %d is ignored", service->config->name,
				  (int)pid);
		else if (supervisor_datagram(&pid1->supervisor, service, buffer, now))
			forwards_take(&pid1->supervisor, service, &passed);
	}
}

static void describe_failure(struct service *service, const struct spawn_failure *failure)
{
	const char *what = NULL;

	if (failure->stage == SPAWN_EXEC)
		what = service->config->exec.item[0];
	else if (failure->stage == SPAWN_DIRECTORY)
		what = service->config->directory;
	service->exec_error = failure->error;
	snprintf(service->problem, sizeof(service->problem), "%s%s%.100s: %s",
		 spawn_stage_name(failure->stage), what ? " " : "", what ? what : "",
		 strerror(failure->error));
}

static void take_exec(struct pid1 *pid1, size_t index, int64_t now)
{
	struct channel *channel = &pid1->channels[index];
	struct service *service = &pid1->supervisor.services[index];
	struct spawn_failure failure;
	int result;

	if (channel->exec_fd < 0)
		return;
	result = spawn_read_failure(channel->exec_fd, &failure);
	if (result == -EAGAIN)
		return;
	loop_close(pid1->epoll_fd, take_fd(&channel->exec_fd));
	if (result > 0) {
		describe_failure(service, &failure);
		log_error("%s: %s", service->config->name, service->problem);
	}
	supervisor_event(&pid1->supervisor, service, result ? SERVICE_EXEC_FAILED : SERVICE_EXECED,
			 now);
}

/*
 * What a service's process said before it died: now that it is dead, all of it is in the sockets
 * and in the pipe.
 */
static void take_last_words(struct pid1 *pid1, pid_t pid, int64_t now)
{
	for (size_t i = 0; i < pid1->supervisor.n_services; i++) {
		if (pid1->supervisor.services[i].pid != pid)
			continue;
		take_exec(pid1, i, now);
		take_datagrams(pid1, i, now);
		output_pipe_finish(&pid1->output, &pid1->channels[i].output,
				   pid1->config->services[i].name);
	}
}

/* @which: a child, or -1: any. Return: whether one was dead. */
static bool reap_one(struct pid1 *pid1, pid_t which, int64_t now)
{
	int status;
	pid_t pid = waitpid(which, &status, WNOHANG);

	if (which < 0)
		pid1->supervisor.no_children = pid < 0 && errno == ECHILD;
	if (pid <= 0)
		return false;
	if (pid1->supervisor.phase == PHASE_REST)
		rest_forget(&pid1->rest, pid);
	take_last_words(pid1, pid, now);
	reconfigure_reaped(pid1, pid, status, now);
	supervisor_reaped(&pid1->supervisor, pid, status, now);
	return true;
}

/* Return: whether children may be left that are dead already. */
static bool reap(struct pid1 *pid1, int64_t now)
{
	for (int i = 0; i < REAP_BATCH; i++) {
		if (!reap_one(pid1, -1, now))
			return false;
		if (i % REAP_LOOK == REAP_LOOK - 1 && now_ms() - now > REAP_MS)
			break;
	}
	return true;
}

/* The table of signals; docs/pid1.md has it for people. */
static bool take_signal(struct pid1 *pid1, int signal, int64_t now)
{
	struct supervisor *supervisor = &pid1->supervisor;
	char reason[32];

	if (signal == SIGCHLD)
		return reap(pid1, now);
	if (signal == SIGINT && ++pid1->interrupts > 1) {
		supervisor_hurry(supervisor, now);
	} else if (signal == SIGTERM || signal == SIGINT || signal == SIGPWR ||
		   signal == SIGRTMIN + 3) {
		if (signal == SIGRTMIN + 3)
			snprintf(reason, sizeof(reason), "SIGRTMIN+3");
		else
			snprintf(reason, sizeof(reason), "SIG%s", sigabbrev_np(signal));
		supervisor_stop(supervisor, reason, now);
	} else if (signal == SIGQUIT) {
		supervisor_hurry(supervisor, now);
	} else if (signal == SIGHUP) {
		reconfigure(pid1, now);
	}
	return false;
}

static bool take_signals(struct pid1 *pid1, int64_t now)
{
	struct signalfd_siginfo infos[MAX_SIGNALS];
	ssize_t n = read(pid1->signal_fd, infos, sizeof(infos));
	bool more = false;

	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(infos[0]); i++)
		more = take_signal(pid1, (int)infos[i].ssi_signo, now) || more;
	return more;
}

static bool take_event(struct pid1 *pid1, uint64_t data, int64_t now)
{
	enum source source = (enum source)(data >> 32);
	size_t index = data & UINT32_MAX;

	switch (source) {
	case SOURCE_SIGNAL: return take_signals(pid1, now);
	case SOURCE_NOTIFY: take_datagrams(pid1, index, now); break;
	case SOURCE_EXEC: take_exec(pid1, index, now); break;
	case SOURCE_OUTPUT:
		output_pipe_drain(&pid1->output, &pid1->channels[index].output,
				  pid1->config->services[index].name);
		break;
	case SOURCE_SERVER: server_accept(&pid1->server, now); break;
	case SOURCE_CLIENT:
		server_serve(&pid1->server, index, &pid1->supervisor, pid1->output.dropped_in_all,
			     now);
		break;
	}
	return false;
}

/* What the outside is told in words: as the status has it. */
static void describe(const struct supervisor *supervisor, char text[static OUTSIDE_STATUS_MAX])
{
	const char *reason = supervisor->overall_reason;

	snprintf(text, OUTSIDE_STATUS_MAX, "%s%s%.120s", overall_state_name(supervisor->overall),
		 *reason ? ": " : "", reason);
}

/*
 * sd_notify towards the outside: systemd, or podman --sdnotify=container. Ready is told once; and
 * with the stop, how long it may take, because a manager's own patience is 90 s.
 */
static void tell_outside(struct pid1 *pid1, int64_t now)
{
	const struct supervisor *supervisor = &pid1->supervisor;
	char text[OUTSIDE_STATUS_MAX], fields[OUTSIDE_STATUS_MAX + 96];
	bool ready = supervisor->overall == OVERALL_READY && !pid1->announced_ready;
	bool stop = supervisor->phase != PHASE_RUN && !pid1->announced_stop;

	if (pid1->outside_again ? now < pid1->outside_again
				: pid1->outside_seen == supervisor->changes)
		return;
	pid1->outside_again = 0;
	pid1->outside_seen = supervisor->changes;
	describe(supervisor, text);
	if (!ready && !stop && streq(text, pid1->announced))
		return;
	if (stop)
		snprintf(fields, sizeof(fields), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=%s",
			 (long long)supervisor_stop_time(supervisor) * 1000, text);
	else
		snprintf(fields, sizeof(fields), "%sSTATUS=%s", ready ? "READY=1\n" : "", text);
	if (!outside_send(&pid1->outside, fields)) {
		pid1->outside_again = now + OUTSIDE_RETRY_MS;
		return;
	}
	pid1->announced_ready = pid1->announced_ready || ready;
	pid1->announced_stop = pid1->announced_stop || stop;
	memcpy(pid1->announced, text, sizeof(text));
}

static int wait_time(const struct pid1 *pid1, bool more, int64_t now)
{
	int64_t services = supervisor_next_deadline(&pid1->supervisor);
	int64_t clients = server_next_deadline(&pid1->server);
	int64_t next = services < clients ? services : clients;
	int64_t wait;

	if (pid1->outside_again && pid1->outside_again < next)
		next = pid1->outside_again;
	if (reconfigure_next_deadline(pid1) < next)
		next = reconfigure_next_deadline(pid1);
	if (more || next <= now)
		return 0;
	if (next == NEVER)
		return -1;
	/* Not all the way to the end of a watchdog's patience, or it is over when a pause is. */
	wait = next - now - (next - now) / 4;
	if (wait > LOOK_MS && supervisor_is_timing(&pid1->supervisor))
		wait = LOOK_MS;
	return wait < INT_MAX ? (int)wait : INT_MAX;
}

/* Return: the time, after a wait that was to last @wait ms (-1: for ever). */
static int64_t look_at_clock(struct pid1 *pid1, int wait)
{
	int64_t now = now_ms();
	int64_t lost = pause_end(&pid1->pause, wait, now);

	if (lost) {
		log_warning("PID 1 did not run for %lld ms, as in a container that is paused: all "
			    "deadlines are put off",
			    (long long)lost);
		supervisor_lost(&pid1->supervisor, lost);
	}
	return now;
}

/*
 * Before a time is judged to be over, whoever was to keep it is heard: a PID 1 that is short of CPU
 * may be late itself, and among many dead children waitpid(-1) comes to a service's last.
 */
static void hear_services(struct pid1 *pid1, int64_t now)
{
	for (size_t i = 0; i < pid1->supervisor.n_services; i++) {
		const struct service *service = &pid1->supervisor.services[i];

		if (service->pid && service_next_deadline(service) <= now &&
		    !reap_one(pid1, service->pid, now)) {
			take_exec(pid1, i, now);
			take_datagrams(pid1, i, now);
		}
	}
}

/* What follows from all that was heard. */
static void decide(struct pid1 *pid1, int64_t now)
{
	hear_services(pid1, now);
	reconfigure_step(pid1, now);
	supervisor_step(&pid1->supervisor, now);
}

/*
 * Clients come last: who asks what state everything is in must not be told of services as they are
 * and of the whole as it was.
 */
static bool take_events(struct pid1 *pid1, const struct epoll_event *events, int n, int64_t now)
{
	bool more = false, clients = false;

	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 >> 32 == SOURCE_CLIENT)
			clients = true;
		else
			more = take_event(pid1, events[i].data.u64, now) || more;
	}
	if (!clients)
		return more;
	decide(pid1, now);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 >> 32 == SOURCE_CLIENT)
			take_event(pid1, events[i].data.u64, now);
	}
	return more;
}

void loop_run(struct pid1 *pid1)
{
	struct epoll_event events[MAX_EVENTS];
	int64_t now = now_ms();
	/*
	 * Whoever started us may have left us children; and where there are none, this is how we
	 * know.
	 */
	bool more = reap(pid1, now);

	/* A stop that was asked for meanwhile comes before any start. */
	more = take_signals(pid1, now) || more;
	for (;;) {
		int wait, n;

		decide(pid1, now);
		server_step(&pid1->server, &pid1->supervisor, now);
		tell_outside(pid1, now);
		if (pid1->supervisor.phase == PHASE_DONE)
			return;
		wait = wait_time(pid1, more, now);
		pause_begin(&pid1->pause, wait);
		n = epoll_wait(pid1->epoll_fd, events, MAX_EVENTS, wait);
		now = look_at_clock(pid1, wait);
		more = more && reap(pid1, now);
		more = take_events(pid1, events, n, now) || more;
	}
}

void loop_drain(struct pid1 *pid1)
{
	for (size_t i = 0; i < pid1->supervisor.n_services; i++)
		output_pipe_finish(&pid1->output, &pid1->channels[i].output,
				   pid1->config->services[i].name);
}
