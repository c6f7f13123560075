/*
 * Loading, in this order: read every source into entries, give each entry its type, then check what
 * only shows in the whole: names that services wait for, cycles, more than one main service.
 */
#include "lib/config.h"

#include "lib/config_entry.h"
#include "lib/util.h"

#include <errno.h>
#include <stdarg.h>

void config_complain(struct config_loader *loader, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	loader->n_errors++;
	loader->report(loader->context, message);
}

struct config_entry *config_find_entry(const struct config *config, const char *section,
				       const char *key)
{
	for (size_t i = 0; i < config->n_entries; i++) {
		if (streq(config->entries[i].section, section) &&
		    streq(config->entries[i].key, key))
			return &config->entries[i];
	}
	return NULL;
}

static void free_entry(struct config_entry *entry)
{
	free(entry->section);
	free(entry->key);
	free(entry->value);
	free(entry->source);
}

void config_set_entry(struct config_loader *loader, const char *section, const char *key,
		      const char *value, const char *source, unsigned line)
{
	struct config *config = loader->config;
	struct config_entry *entry = config_find_entry(config, section, key);
	struct config_entry made = {
		.section = strdup(section),
		.key = strdup(key),
		.value = strdup(value),
		.source = strdup(source),
		.line = line,
	};
	struct config_entry *grown;

	if (!made.section || !made.key || !made.value || !made.source)
		goto no_memory;
	if (entry) {
		free_entry(entry);
		*entry = made;
		return;
	}
	grown = reallocarray(config->entries, config->n_entries + 1, sizeof(*grown));
	if (!grown)
		goto no_memory;
	config->entries = grown;
	config->entries[config->n_entries++] = made;
	return;

no_memory:
	free_entry(&made);
	loader->out_of_memory = true;
}

/* "file:line: [section] key" or "VARIABLE": how every message about an entry begins. */
static const char *entry_place(const struct config_entry *entry, char *buffer, size_t size)
{
	if (entry->line)
		snprintf(buffer, size, "%s:%u: [%s] %s", entry->source, entry->line, entry->section,
			 entry->key);
	else
		snprintf(buffer, size, "%s", entry->source);
	return buffer;
}

const char *config_origin(const struct config *config, const char *section, const char *key,
			  char *buffer, size_t size)
{
	const struct config_entry *entry = config_find_entry(config, section, key);

	if (!entry)
		return "the built-in default";
	if (!entry->line)
		return entry->source;
	snprintf(buffer, size, "%s:%u", entry->source, entry->line);
	return buffer;
}

static void set_defaults(enum section_kind kind, void *base)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(kind, key)))
		config_key_default(key, base);
}

static struct service_config *find_service(struct config_loader *loader, const char *name)
{
	struct config *config = loader->config;
	struct service_config *service;
	char *copy;

	for (size_t i = 0; i < config->n_services; i++) {
		if (streq(config->services[i].name, name))
			return &config->services[i];
	}
	if (config->n_services == CONFIG_MAX_SERVICES)
		return NULL;
	copy = strdup(name);
	if (!copy) {
		loader->out_of_memory = true;
		return NULL;
	}
	service = &config->services[config->n_services];
	service->name = copy;
	set_defaults(SECTION_SERVICE, service);
	config->n_services++;
	return service;
}

static struct device_config *find_device(struct config_loader *loader, const char *path)
{
	struct config *config = loader->config;
	struct device_config *device;
	char *copy;

	for (size_t i = 0; i < config->n_devices; i++) {
		if (streq(config->devices[i].path, path))
			return &config->devices[i];
	}
	if (config->n_devices == CONFIG_MAX_DEVICES)
		return NULL;
	copy = strdup(path);
	if (!copy) {
		loader->out_of_memory = true;
		return NULL;
	}
	device = &config->devices[config->n_devices];
	device->path = copy;
	set_defaults(SECTION_DEVICE, device);
	config->n_devices++;
	return device;
}

/* The structure that a section's keys are stored into; NULL when a table is full. */
static void *section_base(struct config_loader *loader, enum section_kind kind,
			  const char *argument)
{
	switch (kind) {
	case SECTION_GUEST: return &loader->config->guest;
	case SECTION_NETWORK: return &loader->config->network;
	case SECTION_STOP: return &loader->config->stop;
	case SECTION_HEALTH: return &loader->config->health;
	case SECTION_LOG: return &loader->config->log;
	case SECTION_DEVICE: return find_device(loader, argument);
	case SECTION_SERVICE: return find_service(loader, argument);
	}
	return NULL;
}

static bool is_service_name(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@") ==
		       strlen(name) &&
	       name[0] != '.' && strlen(name) <= 40;
}

static void apply_entry(struct config_loader *loader, const struct config_entry *entry)
{
	char place[512], reason[512] = "";
	const struct config_key *key;
	enum section_kind kind;
	const char *argument, *error;
	void *base;

	entry_place(entry, place, sizeof(place));
	if (!config_section(entry->section, &kind, &argument)) {
		config_complain(loader, "%s: there is no section [%s]", place, entry->section);
		return;
	}
	key = config_key_find(kind, entry->key);
	if (!key) {
		config_complain(loader, "%s: there is no such key; `casement --keys` lists them",
				place);
		return;
	}
	if (kind == SECTION_SERVICE && !is_service_name(argument)) {
		config_complain(loader,
				"%s: a service's name is up to 40 letters, digits and - _ . @",
				place);
		return;
	}
	if (kind == SECTION_DEVICE && *argument != '/') {
		config_complain(
			loader,
			"%s: a device section names an absolute path, as in [device /dev/kvm]",
			place);
		return;
	}
	base = section_base(loader, kind, argument);
	if (!base) {
		config_complain(loader, "%s: there are more than %d sections of this kind", place,
				CONFIG_MAX_SERVICES);
		return;
	}
	error = config_key_set(key, base, entry->value, reason, sizeof(reason));
	if (error)
		config_complain(loader, "%s: \"%.200s\" %s", place, entry->value, error);
}

static void clear_section(enum section_kind kind, void *base)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(kind, key)))
		config_key_clear(key, base);
}

static void clear_service(struct service_config *service)
{
	clear_section(SECTION_SERVICE, service);
	free(service->name);
}

static void complain_service(struct config_loader *loader, const struct service_config *service,
			     const char *key, const char *text)
{
	char section[64], place[512];
	const struct config_entry *entry;

	snprintf(section, sizeof(section), "service %s", service->name);
	entry = config_find_entry(loader->config, section, key);
	if (entry)
		config_complain(loader, "%s: %s", entry_place(entry, place, sizeof(place)), text);
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
			clear_service(&config->services[i]);
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

int config_load(const char *file, config_report_fn *report, void *context,
		struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = report, .context = context };

	if (!config)
		return -ENOMEM;
	if (file) {
		config_read_file(&loader, file, true);
	} else {
		config_read_file(&loader, CONFIG_SHIPPED, true);
		config_read_file(&loader, CONFIG_MAIN, false);
		config_read_dropins(&loader, CONFIG_DROPINS);
	}
	config_read_environment(&loader);

	set_defaults(SECTION_GUEST, &config->guest);
	set_defaults(SECTION_NETWORK, &config->network);
	set_defaults(SECTION_STOP, &config->stop);
	set_defaults(SECTION_HEALTH, &config->health);
	set_defaults(SECTION_LOG, &config->log);
	for (size_t i = 0; i < config->n_entries; i++)
		apply_entry(&loader, &config->entries[i]);
	check_services(&loader);
	if (!loader.n_errors)
		sort_services(&loader);

	if (loader.n_errors || loader.out_of_memory) {
		config_free(config);
		return loader.n_errors ? -EINVAL : -ENOMEM;
	}
	*ret_config = config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	clear_section(SECTION_GUEST, &config->guest);
	clear_section(SECTION_NETWORK, &config->network);
	for (size_t i = 0; i < config->n_devices; i++) {
		clear_section(SECTION_DEVICE, &config->devices[i]);
		free(config->devices[i].path);
	}
	for (size_t i = 0; i < config->n_services; i++)
		clear_service(&config->services[i]);
	for (size_t i = 0; i < config->n_entries; i++)
		free_entry(&config->entries[i]);
	free(config->entries);
	free(config);
}
