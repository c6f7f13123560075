#include "lib/config_adopt.h"

#include "lib/config_entry.h"
#include "lib/util.h"

struct adoption {
	config_change_fn *report;
	void *context;
};

/* The keys of one section, in both configurations. */
static void adopt_section(const struct adoption *adoption, enum section_kind kind,
			  const char *section, void *base, const void *next)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(kind, key))) {
		enum config_key_reload reload = config_key_reload(key);

		if (reload == KEY_RELOAD_SERVICE || config_key_equal(key, base, next))
			continue;
		if (reload == KEY_RELOAD_NOW)
			config_key_copy(key, base, next);
		adoption->report(adoption->context,
				 reload == KEY_RELOAD_NOW ? CONFIG_CHANGE_NOW
							  : CONFIG_CHANGE_RESTART,
				 section, config_key_name(key));
	}
}

static size_t find_service(const struct config *config, const char *name)
{
	size_t i = 0;

	while (i < config->n_services && !streq(config->services[i].name, name))
		i++;
	return i;
}

static size_t find_device(const struct config *config, const char *path)
{
	size_t i = 0;

	while (i < config->n_devices && !streq(config->devices[i].path, path))
		i++;
	return i;
}

static void adopt_services(const struct adoption *adoption, struct config *config,
			   const struct config *next)
{
	char section[64];

	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config *service = &config->services[i];
		size_t k = find_service(next, service->name);

		snprintf(section, sizeof(section), "service %s", service->name);
		if (k < next->n_services)
			adopt_section(adoption, SECTION_SERVICE, section, service,
				      &next->services[k]);
		else
			adoption->report(adoption->context, CONFIG_CHANGE_GONE, section, NULL);
	}
	for (size_t k = 0; k < next->n_services; k++) {
		snprintf(section, sizeof(section), "service %s", next->services[k].name);
		if (find_service(config, next->services[k].name) == config->n_services)
			adoption->report(adoption->context, CONFIG_CHANGE_NEW, section, NULL);
	}
}

static void adopt_devices(const struct adoption *adoption, struct config *config,
			  const struct config *next)
{
	char section[512];

	for (size_t i = 0; i < config->n_devices; i++) {
		size_t k = find_device(next, config->devices[i].path);

		snprintf(section, sizeof(section), "device %s", config->devices[i].path);
		if (k < next->n_devices)
			adopt_section(adoption, SECTION_DEVICE, section, &config->devices[i],
				      &next->devices[k]);
		else
			adoption->report(adoption->context, CONFIG_CHANGE_GONE, section, NULL);
	}
	for (size_t k = 0; k < next->n_devices; k++) {
		snprintf(section, sizeof(section), "device %s", next->devices[k].path);
		if (find_device(config, next->devices[k].path) == config->n_devices)
			adoption->report(adoption->context, CONFIG_CHANGE_NEW, section, NULL);
	}
}

void config_adopt(struct config *config, const struct config *next, config_change_fn *report,
		  void *context)
{
	const struct adoption adoption = { .report = report, .context = context };

	adopt_section(&adoption, SECTION_GUEST, "guest", &config->guest, &next->guest);
	adopt_section(&adoption, SECTION_NETWORK, "network", &config->network, &next->network);
	adopt_section(&adoption, SECTION_STOP, "stop", &config->stop, &next->stop);
	adopt_section(&adoption, SECTION_HEALTH, "health", &config->health, &next->health);
	adopt_section(&adoption, SECTION_LOG, "log", &config->log, &next->log);
	adopt_devices(&adoption, config, next);
	adopt_services(&adoption, config, next);
}

void config_mistakes_note(struct config_mistakes *mistakes, const char *message)
{
	if (mistakes->n++ == 0)
		snprintf(mistakes->first, sizeof(mistakes->first), "%s", message);
}

const char *config_mistakes_text(const struct config_mistakes *mistakes, char *buffer, size_t size)
{
	char more[48] = "";

	if (mistakes->n > 1)
		snprintf(more, sizeof(more), " (and %zu more, see the log)", mistakes->n - 1);
	/* The number is worth more than the end of the first one. */
	snprintf(buffer, size, "%.*s%s", (int)(size - 1 - strlen(more)), mistakes->first, more);
	return buffer;
}
