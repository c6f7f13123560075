/*
 * What only shows in the whole configuration: names that services wait for, cycles, more than one
 * main service. When all is well the services are put into their order.
 */
#include "lib/config_entry.h"
#include "lib/util.h"

static void complain_service(struct config_loader *loader, const struct service_config *service,
			     const char *key, const char *text)
{
	char section[64], place[512];
	const struct config_entry *entry;

	snprintf(section, sizeof(section), "service %s", service->name);
	entry = config_find_entry(loader->config, section, key);
	if (entry)
		config_complain(loader, "%s: %s", config_entry_place(entry, place, sizeof(place)),
				text);
	else
		config_complain(loader, "[%s]: %s", section, text);
}

static struct service_config *service_named(struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_services; i++) {
		if (streq(config->services[i].name, name))
			return &config->services[i];
	}
	return NULL;
}

/* Names in `after` that exist; a disabled service is nobody's condition. */
static void check_services(struct config_loader *loader)
{
	struct config *config = loader->config;
	const struct service_config *main_service = NULL;
	char text[256];

	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config *service = &config->services[i];

		if (!service->enabled)
			continue;
		if (!service->exec.n)
			complain_service(loader, service, "exec", "the service has no exec");
		for (size_t j = 0; j < service->after.n; j++) {
			if (service_named(config, service->after.item[j]))
				continue;
			snprintf(text, sizeof(text), "there is no service \"%.64s\"",
				 service->after.item[j]);
			complain_service(loader, service, "after", text);
		}
		if (service->main && main_service) {
			snprintf(text, sizeof(text), "%s is the main service already",
				 main_service->name);
			complain_service(loader, service, "main", text);
		}
		if (service->main)
			main_service = service;
	}
}

static bool waits_for_unsorted(struct config *config, const struct service_config *service,
			       const bool sorted[])
{
	for (size_t i = 0; i < service->after.n; i++) {
		const struct service_config *other = service_named(config, service->after.item[i]);

		if (other && other->enabled && !sorted[other - config->services])
			return true;
	}
	return false;
}

/* What is left when nothing more can be sorted is a cycle, or waits for one. */
static void complain_cycle(struct config_loader *loader, const bool sorted[])
{
	struct config *config = loader->config;
	char text[512] = "these services wait for each other:";

	for (size_t i = 0; i < config->n_services; i++) {
		if (config->services[i].enabled && !sorted[i]) {
			strncat(text, " ", sizeof(text) - strlen(text) - 1);
			strncat(text, config->services[i].name, sizeof(text) - strlen(text) - 1);
		}
	}
	for (size_t i = 0; i < config->n_services; i++) {
		if (config->services[i].enabled && !sorted[i])
			complain_service(loader, &config->services[i], "after", text);
	}
}

/*
 * Put every service behind those it is after, keep the order of the file otherwise, and drop the
 * disabled ones.
 */
static void sort_services(struct config_loader *loader)
{
	struct config *config = loader->config;
	struct service_config in_order[CONFIG_MAX_SERVICES] = { 0 };
	bool sorted[CONFIG_MAX_SERVICES] = { false };
	size_t n = 0;

	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config *service = &config->services[i];

		if (sorted[i] || !service->enabled || waits_for_unsorted(config, service, sorted))
			continue;
		sorted[i] = true;
		in_order[n++] = *service;
		i = (size_t)-1; /* from the top: an earlier one may have waited for this one */
	}
	for (size_t i = 0; i < config->n_services; i++) {
		if (config->services[i].enabled && !sorted[i]) {
			complain_cycle(loader, sorted);
			return;
		}
	}
	for (size_t i = 0; i < config->n_services; i++) {
		if (!config->services[i].enabled)
			config_clear_service(&config->services[i]);
	}
	memset(config->services, 0, sizeof(config->services));
	memcpy(config->services, in_order, n * sizeof(in_order[0]));
	config->n_services = n;
	for (size_t i = 0; i < n; i++) {
		struct service_config *service = &config->services[i];

		for (size_t j = 0; j < service->after.n; j++) {
			const struct service_config *other =
				service_named(config, service->after.item[j]);

			if (other && service->n_after < CONFIG_MAX_SERVICES)
				service->after_index[service->n_after++] =
					(size_t)(other - config->services);
		}
	}
}

void config_check(struct config_loader *loader)
{
	check_services(loader);
	if (!loader->n_errors)
		sort_services(loader);
}
