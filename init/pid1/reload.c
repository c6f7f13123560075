/*
 * SIGHUP: once PID 1 has read its own part (reconfigure.c), services that can read theirs again do
 * so.
 *
 * A service is asked by its reload-signal, and answers by sd_notify(3): RELOADING=1, then READY=1
 * with what became of it. One that is starting may have read its files already and not handle the
 * signal yet, so it is told as soon as it is ready; one that is down reads them when it starts. A
 * reload that failed changes nothing, so it is no reason to call the container degraded.
 */
#include "init/pid1/supervisor.h"

#include "lib/log.h"
#include "lib/util.h"

#include <assert.h>

const char *reload_result_name(enum reload_result result)
{
	static const char *const names[] = { "none", "running", "ok", "failed" };

	static_assert(ARRAY_SIZE(names) == N_RELOAD_RESULTS, "a result without a name");
	return names[result];
}

static void tell(struct supervisor *supervisor, struct service *service)
{
	service->reload_due = false;
	log_info("SIGHUP: %s reads its configuration again", service->config->name);
	supervisor->effects->kill(supervisor->effects->context, service,
				  service->config->reload_signal, 0);
}

/* All is said that there is to say. */
static void finish(struct supervisor *supervisor, enum reload_result result, const char *reason,
		   int64_t now)
{
	struct reload *reload = &supervisor->reload;

	reload->result = result;
	reload->since = now;
	snprintf(reload->reason, sizeof(reload->reason), "%s", reason);
	reload->n_ok += result == RELOAD_OK;
	reload->n_failed += result == RELOAD_FAILED;
	supervisor->changes++;
}

void supervisor_reload(struct supervisor *supervisor, int64_t now)
{
	bool any = false;

	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];

		if (!service->config->reload_signal)
			continue;
		if (service->state == SERVICE_READY && service->pid) {
			any = true;
			tell(supervisor, service);
		} else if (service->state == SERVICE_STARTING) {
			any = true;
			service->reload_due = true;
		} else {
			log_info("SIGHUP: %s is not running: it reads its configuration when it "
				 "starts",
				 service->config->name);
		}
	}
	if (any)
		return;
	log_info("SIGHUP: the configuration was read again");
	finish(supervisor, RELOAD_OK, "", now);
}

void reload_refused(struct supervisor *supervisor, const char *reason, int64_t now)
{
	log_error("SIGHUP: the configuration has mistakes and stays as it was");
	finish(supervisor, RELOAD_FAILED, reason, now);
}

static bool is_any_reloading(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_services; i++) {
		if (supervisor->services[i].reloading)
			return true;
	}
	return false;
}

void reload_begun(struct supervisor *supervisor, struct service *service, int64_t now)
{
	struct reload *reload = &supervisor->reload;

	/* Before it is ready it starts, whatever it calls that. */
	if (service->state != SERVICE_READY || service->reloading)
		return;
	if (!is_any_reloading(supervisor)) {
		reload->result = RELOAD_RUNNING;
		reload->has_failed = false;
		reload->reason[0] = '\0';
		reload->since = now;
	}
	service->reloading = true;
	service->reload_ends =
		service->config->start_timeout ? now + service->config->start_timeout : NEVER;
	supervisor->changes++;
}

void reload_answered(struct supervisor *supervisor, struct service *service, const char *failed,
		     int64_t now)
{
	struct reload *reload = &supervisor->reload;
	const char *name = service->config->name;

	if (!service->reloading)
		return;
	service->reloading = false;
	service->reload_ends = NEVER;
	supervisor->changes++;
	if (failed) {
		reload->n_failed++;
		reload->has_failed = true;
		snprintf(reload->reason, sizeof(reload->reason), "%s", failed);
		/* Whoever stops the container in the middle of it knows why. */
		if (supervisor->phase == PHASE_RUN)
			log_error("%s: the reload failed: %s", name, failed);
	} else {
		reload->n_ok++;
		log_info("%s has read its configuration again", name);
	}
	/* The result is that of all who are at it. */
	if (is_any_reloading(supervisor))
		return;
	reload->result = reload->has_failed ? RELOAD_FAILED : RELOAD_OK;
	reload->since = now;
}

void reload_expire(struct supervisor *supervisor, int64_t now)
{
	char reason[sizeof(supervisor->reload.reason)];

	for (size_t i = 0; i < supervisor->n_services; i++) {
		struct service *service = &supervisor->services[i];

		if (service->reload_ends > now)
			continue;
		snprintf(reason, sizeof(reason), "%s: no READY=1 for %u ms after RELOADING=1",
			 service->config->name, service->config->start_timeout);
		reload_answered(supervisor, service, reason, now);
	}
}

void reload_follow(struct supervisor *supervisor, struct service *service, int64_t now)
{
	char reason[sizeof(supervisor->reload.reason)];

	if (service->reload_due && service->state == SERVICE_READY && service->pid &&
	    supervisor->phase == PHASE_RUN)
		tell(supervisor, service);
	if (service->state != SERVICE_STARTING)
		service->reload_due = false;
	if (!service->reloading || service->pid)
		return;
	snprintf(reason, sizeof(reason), "%s ended in the middle of it: %.90s",
		 service->config->name, service->problem[0] ? service->problem : "it was stopped");
	reload_answered(supervisor, service, reason, now);
}
