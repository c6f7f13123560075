#include "fake_effects.h"

#include "lib/util.h"

#include <signal.h>
#include <stdarg.h>

static void note(struct fake *fake, const char *format, ...) PRINTF_LIKE(2, 3);

static void note(struct fake *fake, const char *format, ...)
{
	size_t length = strlen(fake->log);
	va_list arguments;

	va_start(arguments, format);
	if (length)
		length += (size_t)snprintf(fake->log + length, sizeof(fake->log) - length, "; ");
	vsnprintf(fake->log + length, sizeof(fake->log) - length, format, arguments);
	va_end(arguments);
}

static pid_t fake_spawn(void *context, struct service *service)
{
	struct fake *fake = context;

	if (fake->spawn_error) {
		note(fake, "spawn %s fails", service->config->name);
		return fake->spawn_error;
	}
	note(fake, "spawn %s=%d", service->config->name, (int)fake->next_pid);
	return fake->next_pid++;
}

static void fake_kill(void *context, const struct service *service, int signal, int value)
{
	/* A signal to pid 0 would go to PID 1's own group. */
	if (service->pid <= 0)
		note(context, "KILL WITHOUT A PROCESS");
	note(context, "kill %s %s %d", service->config->name, sigabbrev_np(signal), value);
}

static const char *const state_names[] = { "waiting", "starting", "ready",   "ending", "backoff",
					   "holding", "stopping", "stopped", "failed" };

static void fake_changed(void *context, const struct service *service, int old)
{
	struct fake *fake = context;

	(void)old;
	if (fake->with_states)
		note(fake, "%s=%s", service->config->name, state_names[service->state]);
}

static void fake_kill_rest(void *context, int signal)
{
	note(context, "rest %s", sigabbrev_np(signal));
}

static void fake_name_rest(void *context)
{
	note(context, "name the rest");
}

static unsigned fake_chance(void *context, unsigned limit)
{
	const struct fake *fake = context;

	return fake->chance < limit ? fake->chance : limit;
}

void fake_init(struct fake *fake)
{
	*fake = (struct fake){
		.effects = { .context = fake,
			     .spawn = fake_spawn,
			     .kill = fake_kill,
			     .changed = fake_changed,
			     .kill_rest = fake_kill_rest,
			     .name_rest = fake_name_rest,
			     .chance = fake_chance },
		.next_pid = 100,
	};
}

const char *fake_did(struct fake *fake)
{
	static char did[sizeof(fake->log)];

	strcpy(did, fake->log);
	fake->log[0] = '\0';
	return did;
}
