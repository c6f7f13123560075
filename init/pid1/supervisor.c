#include "init/pid1/supervisor.h"

#include "lib/log.h"
#include "lib/util.h"

#include <assert.h>
#include <signal.h>

void supervisor_init(struct supervisor *supervisor, const struct config *config,
		     const struct effects *effects, int64_t now)
{
	*supervisor = (struct supervisor){
		.config = config,
		.effects = effects,
		.n_services = config->n_services,
		.exit_code = -1,
		.booted = now,
		.stop_deadline = NEVER,
		.rest_deadline = NEVER,
		.guest.since = now,
		.overall_since = now,
		.reload.since = now,
		.forwards_fd = -1,
	};
	for (size_t i = 0; i < config->n_services; i++) {
		service_init(&supervisor->services[i], &config->services[i], now);
		if (config->services[i].main)
			supervisor->main = &supervisor->services[i];
	}
}

/* Is there still somebody who needs this service? */
static bool has_living_dependents(const struct supervisor *supervisor,
				  const struct service *service)
{
	size_t index = (size_t)(service - supervisor->services);

	for (size_t i = index + 1; i < supervisor->n_services; i++) {
		const struct service *other = &supervisor->services[i];

		for (size_t j = 0; j < other->config->n_after; j++) {
			if (other->config->after_index[j] == index && !service_is_down(other))
				return true;
		}
	}
	return false;
}

static bool conditions_are_met(const struct supervisor *supervisor, const struct service *service)
{
	for (size_t i = 0; i < service->config->n_after; i++) {
		if (supervisor->services[service->config->after_index[i]].state != SERVICE_READY)
			return false;
	}
	return true;
}

static bool guest_lives(const struct supervisor *supervisor)
{
	return supervisor->guest.pid && !supervisor->guest.dead;
}

/* Time left for the guest, as the value of a stop signal: 0 would mean "as configured". */
static int stop_value(const struct supervisor *supervisor, int64_t now)
{
	int64_t left = supervisor->stop_deadline - now;

	return left > 0 ? (int)left : 1;
}

/* Then the guest may still be saved. */
static unsigned save_time(const struct supervisor *supervisor)
{
	const struct stop_config *stop = &supervisor->config->stop;

	return stop->on_deadline == ON_DEADLINE_SAVE ? stop->save_timeout : 0;
}

static void begin_stop(struct supervisor *supervisor, const char *reason, int64_t now)
{
	if (supervisor->phase != PHASE_RUN)
		return;
	supervisor->phase = PHASE_STOP;
	supervisor->stop_deadline = now + supervisor->config->stop.timeout;
	snprintf(supervisor->reason, sizeof(supervisor->reason), "%s", reason);
	supervisor->changes++;
}

void supervisor_stop(struct supervisor *supervisor, const char *reason, int64_t now)
{
	if (supervisor->phase != PHASE_RUN)
		return;
	log_info("%s: stopping", reason);
	begin_stop(supervisor, reason, now);
}

const char *supervisor_freeze(struct supervisor *supervisor, bool force)
{
	const struct service *main = supervisor->main;

	if (supervisor->phase != PHASE_RUN)
		return "the container stops";
	if (supervisor->guest.freeze == FREEZE_RUNNING)
		return "the guest is being frozen already";
	if (!main || main->state != SERVICE_READY || !guest_lives(supervisor) ||
	    supervisor->overall != OVERALL_READY)
		return "the guest is not ready";
	supervisor->guest.freeze = FREEZE_RUNNING;
	supervisor->guest.freeze_reason[0] = '\0';
	supervisor->changes++;
	supervisor->effects->kill(supervisor->effects->context, main, SIGUSR2,
				  force ? WIRE_FREEZE_FORCE : 0);
	return NULL;
}

void supervisor_hurry(struct supervisor *supervisor, int64_t now)
{
	struct service *main = supervisor->main;
	int64_t latest;

	supervisor_stop(supervisor, "asked to stop at once", now);
	/* Whoever asks once more has no time for that either. */
	if (main)
		main->stop_extra = supervisor->stop_deadline > now ? save_time(supervisor) : 0;
	if (supervisor->stop_deadline > now)
		supervisor->stop_deadline = now;
	if (!main)
		return;
	main->stop_value = stop_value(supervisor, now);
	if (main->state == SERVICE_STOPPING && !main->killed) {
		/* Asking again and again must not buy it time. */
		latest = now + main->config->stop_timeout + main->stop_extra;
		if (main->deadline > latest)
			main->deadline = latest;
		supervisor->effects->kill(supervisor->effects->context, main, SIGQUIT, 0);
	}
}

/* The first cause of the end decides the code; what follows from it does not. */
static void decide_exit(struct supervisor *supervisor, int code)
{
	if (supervisor->exit_code < 0)
		supervisor->exit_code = code;
}

/* @asked: the stop had begun before the main service ended. */
static int main_exit_code(const struct supervisor *supervisor, bool asked)
{
	const struct service *main = supervisor->main;
	int code = service_exit_code(main);

	if (!main->started_once)
		return EXIT_GUEST_OFF;
	/* Whatever guest it kept goes down without a shutdown. */
	if (asked && (main->killed || (guest_lives(supervisor) && !service_has_finished(main))))
		return EXIT_GUEST_DESTROYED;
	/* A code that answers our own signal says nothing. */
	return main->state == SERVICE_FAILED && code == EXIT_GUEST_OFF ? EXIT_SERVICE_FAILED : code;
}

static bool is_sysexit(int code)
{
	return code == EXIT_USAGE || code == EXIT_UNAVAILABLE || code == EXIT_CONFIG;
}

/*
 * A service is down. If the container's life hangs on it, that is the end, and this says with which
 * code.
 */
static void consider_end(struct supervisor *supervisor, const struct service *service, int64_t now)
{
	bool asked = supervisor->phase != PHASE_RUN;
	char reason[256];

	if (service == supervisor->main) {
		snprintf(reason, sizeof(reason), "%s ended: %s", service->config->name,
			 service->status[0] ? service->status : service->problem);
		begin_stop(supervisor, reason, now);
		decide_exit(supervisor, main_exit_code(supervisor, asked));
	} else if (service->state == SERVICE_FAILED && service->config->critical &&
		   supervisor->phase == PHASE_RUN) {
		int code = service_exit_code(service);

		snprintf(reason, sizeof(reason), "%s failed for good: %s", service->config->name,
			 service->problem);
		begin_stop(supervisor, reason, now);
		decide_exit(supervisor, is_sysexit(code) ? code : EXIT_SERVICE_FAILED);
	}
}

/* The main service died in mid-stop while its guest lives: another one has to finish the work. */
static bool revive_main(struct supervisor *supervisor, struct service *service, int64_t now)
{
	if (service != supervisor->main || supervisor->phase != PHASE_STOP ||
	    service->state != SERVICE_STOPPED || !guest_lives(supervisor) ||
	    service_has_finished(service) || now >= supervisor->stop_deadline ||
	    supervisor->stop_restarts >= STOP_RESTART_LIMIT)
		return false;
	supervisor->stop_restarts++;
	service->restarts++;
	log_warning("%s is gone, but its guest is not: starting it again to stop the guest",
		    service->config->name);
	service->stop_value = stop_value(supervisor, now);
	service->stop_extra = save_time(supervisor);
	service_event(service, SERVICE_START, supervisor->effects, now);
	service_event(service, SERVICE_STOP, supervisor->effects, now);
	return !service_is_down(service);
}

void supervisor_event(struct supervisor *supervisor, struct service *service,
		      enum service_event event, int64_t now)
{
	enum service_state old = service->state;
	bool was_down = service_is_down(service);

	service_event(service, event, supervisor->effects, now);
	if (service->state != old) {
		supervisor->changes++;
		reload_follow(supervisor, service, now);
	}
	if (service_is_down(service) && !was_down && !revive_main(supervisor, service, now))
		consider_end(supervisor, service, now);
}

void supervisor_accuse(struct supervisor *supervisor, const struct service *accuser,
		       const char *name, int64_t now)
{
	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];

		if (service == accuser || !service->pid || !streq(service->config->name, name))
			continue;
		service->accuser = accuser->config->name;
		supervisor_event(supervisor, service, SERVICE_STARVED, now);
	}
}

/*
 * What failed for good may be what the guest cannot be shut down without, such as libvirtd: each
 * gets one more chance while the guest lives and has time. From the last to the first: who is
 * waiting needs those that it is after.
 */
static void forgive_needed(struct supervisor *supervisor, int64_t now)
{
	if (supervisor->phase != PHASE_STOP || !guest_lives(supervisor) ||
	    now >= supervisor->stop_deadline)
		return;
	for (size_t i = supervisor->n_services; i-- > 0;) {
		struct service *service = &supervisor->services[i];

		/* Where SIGKILL did not help, the old process may still be there. */
		if (service->state != SERVICE_FAILED || service == supervisor->main ||
		    service->forgiven || service->killed ||
		    !has_living_dependents(supervisor, service))
			continue;
		service->forgiven = true;
		log_warning("%s failed for good, but the guest's end needs it: starting it again",
			    service->config->name);
		supervisor_event(supervisor, service, SERVICE_START, now);
	}
}

static void step_services(struct supervisor *supervisor, int64_t now)
{
	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];

		if (service->starves <= now)
			supervisor_event(supervisor, service, SERVICE_STARVED, now);
		if (service->deadline <= now)
			supervisor_event(supervisor, service, SERVICE_DEADLINE, now);
	}
	forgive_needed(supervisor, now);
	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];
		/*
		 * While we stop, what died is started again for those who still need it, and only
		 * for them.
		 */
		bool wanted = supervisor->phase == PHASE_RUN ||
			      (service->started_once && has_living_dependents(supervisor, service));

		if (service->state == SERVICE_WAITING && wanted &&
		    conditions_are_met(supervisor, service))
			supervisor_event(supervisor, service, SERVICE_START, now);
	}
}

/* Who has been asked already is not asked again. */
static void ask_rest(struct supervisor *supervisor, int64_t now)
{
	supervisor->rest_looked = now;
	supervisor->rest_reaped = supervisor->reaped;
	supervisor->effects->kill_rest(supervisor->effects->context,
				       supervisor->rest_killed ? SIGKILL : SIGTERM);
}

static int64_t next_rest_look(const struct supervisor *supervisor)
{
	bool any_gone = supervisor->reaped != supervisor->rest_reaped;

	return supervisor->rest_looked + (any_gone ? REST_LOOK_MS : REST_TICK_MS);
}

/* From the last to the first, so that in one pass everything stops that nobody needs any more. */
static void step_stop(struct supervisor *supervisor, int64_t now)
{
	bool all_down = true;

	for (size_t i = supervisor->n_services; i-- > 0;) {
		struct service *service = &supervisor->services[i];

		bool asked =
			service->state == SERVICE_HOLDING || service->state == SERVICE_STOPPING;

		if (!asked && !service_is_down(service) &&
		    !has_living_dependents(supervisor, service)) {
			bool main = service == supervisor->main;

			service->stop_value = main ? stop_value(supervisor, now) : 0;
			service->stop_extra = main ? save_time(supervisor) : 0;
			supervisor_event(supervisor, service, SERVICE_STOP, now);
		}
		all_down = all_down && service_is_down(service);
	}
	if (!all_down)
		return;
	decide_exit(supervisor, EXIT_GUEST_OFF); /* nobody said otherwise */
	supervisor->phase = PHASE_REST;
	supervisor->rest_deadline = now + REST_TERM_MS;
	supervisor->changes++;
	if (!supervisor->no_children)
		ask_rest(supervisor, now);
}

static void step_rest(struct supervisor *supervisor, int64_t now)
{
	if (supervisor->no_children) {
		supervisor->phase = PHASE_DONE;
	} else if (now >= supervisor->rest_deadline && !supervisor->rest_killed) {
		supervisor->rest_killed = true;
		supervisor->rest_deadline = now + REST_KILL_MS;
		if (guest_lives(supervisor) && supervisor->exit_code == EXIT_GUEST_OFF)
			supervisor->exit_code = EXIT_GUEST_DESTROYED;
		ask_rest(supervisor, now);
	} else if (now >= supervisor->rest_deadline) {
		supervisor->effects->name_rest(supervisor->effects->context);
		supervisor->phase = PHASE_DONE;
	} else if (now >= next_rest_look(supervisor)) {
		/* A process that went may have left children to us. */
		ask_rest(supervisor, now);
	}
}

int64_t supervisor_guest_time(const struct supervisor *supervisor)
{
	return (int64_t)supervisor->config->stop.timeout + save_time(supervisor) +
	       supervisor->main->config->stop_timeout;
}

int64_t supervisor_stop_time(const struct supervisor *supervisor)
{
	int64_t chain[CONFIG_MAX_SERVICES], longest = 0;

	/* Each stops before those that it is after; conditions come first in the list. */
	for (size_t i = 0; i < supervisor->n_services; i++) {
		const struct service *service = &supervisor->services[i];
		const struct service_config *config = service->config;

		chain[i] = 0;
		for (size_t j = 0; j < config->n_after; j++) {
			if (chain[config->after_index[j]] > chain[i])
				chain[i] = chain[config->after_index[j]];
		}
		chain[i] += (int64_t)config->stop_timeout + SERVICE_EXTEND_MAX_MS +
			    SERVICE_KILL_PATIENCE_MS;
		if (service == supervisor->main)
			chain[i] +=
				(int64_t)supervisor->config->stop.timeout + save_time(supervisor);
		if (chain[i] > longest)
			longest = chain[i];
	}
	return longest + REST_TERM_MS + REST_KILL_MS;
}

void supervisor_step(struct supervisor *supervisor, int64_t now)
{
	reload_expire(supervisor, now);
	if (supervisor->phase == PHASE_RUN || supervisor->phase == PHASE_STOP)
		step_services(supervisor, now);
	if (supervisor->phase == PHASE_STOP)
		step_stop(supervisor, now);
	if (supervisor->phase == PHASE_REST)
		step_rest(supervisor, now);
	supervisor_judge(supervisor, now);
}

void supervisor_lost(struct supervisor *supervisor, int64_t ms)
{
	for (size_t i = 0; i < supervisor->n_services; i++)
		service_lost(&supervisor->services[i], ms);
	for (size_t i = 0; i < ORPHANS_REMEMBERED; i++)
		supervisor->orphans[i].reaped += ms;
	if (supervisor->stop_deadline != NEVER)
		supervisor->stop_deadline += ms;
	if (supervisor->rest_deadline != NEVER)
		supervisor->rest_deadline += ms;
}

bool supervisor_is_timing(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_services; i++) {
		if (supervisor->services[i].deadline != NEVER)
			return true;
	}
	return supervisor->phase == PHASE_REST;
}

int64_t supervisor_next_deadline(const struct supervisor *supervisor)
{
	int64_t next = NEVER;

	if (supervisor->phase == PHASE_REST) {
		next = next_rest_look(supervisor);
		if (supervisor->rest_deadline < next)
			next = supervisor->rest_deadline;
	}

	for (size_t i = 0; i < supervisor->n_services; i++) {
		int64_t deadline = service_next_deadline(&supervisor->services[i]);

		next = deadline < next ? deadline : next;
	}
	return next;
}
