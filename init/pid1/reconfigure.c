#include "init/pid1/reconfigure.h"

#include "lib/config_adopt.h"
#include "lib/log.h"

#include <malloc.h>

static void take_mistake(void *context, const char *message)
{
	log_error("%s", message);
	config_mistakes_note(context, message);
}

static void tell_change(void *context, enum config_change change, const char *section,
			const char *key)
{
	(void)context;
	switch (change) {
	case CONFIG_CHANGE_NOW: log_info("[%s] %s has changed", section, key); break;
	case CONFIG_CHANGE_RESTART:
		log_warning("[%s] %s: a change takes effect when the container is restarted",
			    section, key);
		break;
	case CONFIG_CHANGE_NEW:
		log_warning("[%s]: a new section takes effect when the container is restarted",
			    section);
		break;
	case CONFIG_CHANGE_GONE:
		log_warning("[%s]: it is gone, and stays until the container is restarted",
			    section);
		break;
	}
}

static void read_again(struct pid1 *pid1, int64_t now)
{
	struct config_mistakes mistakes = { 0 };
	struct config *next = NULL;
	char reason[160];

	if (config_load(pid1->config_file, take_mistake, &mistakes, &next) < 0) {
		if (!mistakes.n)
			take_mistake(&mistakes, "the configuration: out of memory");
		reload_refused(&pid1->supervisor,
			       config_mistakes_text(&mistakes, reason, sizeof(reason)), now);
		return;
	}
	config_adopt(pid1->config, next, tell_change, NULL);
	config_free(next);
	output_configure(&pid1->output, &pid1->config->log);
	log_set_level(pid1->config->log.level);
	supervisor_reload(&pid1->supervisor, now);
}

void reconfigure(struct pid1 *pid1, int64_t now)
{
	if (pid1->supervisor.phase != PHASE_RUN) {
		log_debug("SIGHUP: stopping: nothing is read again");
		return;
	}
	read_again(pid1, now);
	/* Nothing else allocates: glibc would keep what reading took for as long as PID 1 lives. */
	malloc_trim(0);
}
