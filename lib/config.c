/*
 * Loading, in this order: read every source into entries, give each entry its type, then check what
 * only shows in the whole (config_check.c).
 */
#include "lib/config.h"

#include "lib/config_entry.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <errno.h>
#include <stdarg.h>

void config_complain(struct config_loader *loader, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	/* A wrong file can have millions: they would cost PID 1 its time, and the log its readers.
	 */
	if (++loader->n_errors > CONFIG_MAX_MISTAKES)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	loader->report(loader->context, message);
}

static void complain_of_the_rest(struct config_loader *loader)
{
	unsigned n = loader->n_errors;

	if (n <= CONFIG_MAX_MISTAKES)
		return;
	loader->n_errors = 0; /* so that this one is listed */
	config_complain(loader, "the configuration: %u more mistakes are not listed",
			n - CONFIG_MAX_MISTAKES);
}

struct config_entry *config_recall_entry(const struct config *config, size_t place,
					 const char *section, const char *key)
{
	struct config_entry *entry = place < config->n_entries ? &config->entries[place] : NULL;

	return entry && streq(entry->section, section) && streq(entry->key, key) ? entry : NULL;
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
		.length = strlen(value),
		.room = strlen(value) + 1,
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

const char *config_entry_place(const struct config_entry *entry, char *buffer, size_t size)
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
		return CONFIG_BUILT_IN;
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

/* Where a value stands that has mistakes. */
struct origin {
	struct config_loader *loader;
	const char *place;
};

static void complain_value(void *context, const char *message)
{
	const struct origin *origin = context;

	config_complain(origin->loader, "%s: %s", origin->place, message);
}

static void apply_entry(struct config_loader *loader, const struct config_entry *entry)
{
	char place[512];
	struct origin origin = { .loader = loader, .place = place };
	const struct config_key *key;
	enum section_kind kind;
	const char *argument;
	void *base;

	config_entry_place(entry, place, sizeof(place));
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
	base = section_base(loader, kind, argument);
	if (!base) {
		config_complain(loader, "%s: there are more than %d sections of this kind", place,
				CONFIG_MAX_SERVICES);
		return;
	}
	config_key_set(key, base, entry->value, complain_value, &origin);
}

static void clear_section(enum section_kind kind, void *base)
{
	const struct config_key *key = NULL;

	while ((key = config_key_next(kind, key)))
		config_key_clear(key, base);
}

void config_clear_service(struct service_config *service)
{
	clear_section(SECTION_SERVICE, service);
	free(service->name);
}

static void not_final(struct service_config *service, unsigned code)
{
	service->final_codes[code / 32] &= ~(1U << code % 32);
}

/*
 * [guest] on-crash and on-poweroff: an end of the main service that is not final is followed by a
 * new start, with the pauses and the limit of that service; and its start is the guest's.
 */
static void apply_after_end(struct config *config)
{
	for (size_t i = 0; i < config->n_services; i++) {
		struct service_config *service = &config->services[i];

		if (!service->main)
			continue;
		if (config->guest.on_crash == AFTER_END_RESTART) {
			not_final(service, EXIT_GUEST_CRASHED);
			not_final(service, EXIT_SERVICE_FAILED);
		}
		if (config->guest.on_poweroff == AFTER_END_RESTART) {
			not_final(service, EXIT_GUEST_OFF);
			service->restart = RESTART_ALWAYS;
		}
	}
}

static void read_sources(struct config_loader *loader, const char *file)
{
	if (file) {
		config_read_file(loader, file, true);
	} else {
		config_read_file(loader, CONFIG_SHIPPED, true);
		config_read_file(loader, CONFIG_MAIN, false);
		config_read_dropins(loader, CONFIG_DROPINS);
	}
	/* A variable may be for a section that was not read. */
	if (!loader->over_limit)
		config_read_environment(loader);
}

int config_load(const char *file, config_report_fn *report, void *context,
		struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_loader loader = { .config = config, .report = report, .context = context };

	if (!config)
		return -ENOMEM;
	read_sources(&loader, file);
	set_defaults(SECTION_GUEST, &config->guest);
	set_defaults(SECTION_NETWORK, &config->network);
	set_defaults(SECTION_STOP, &config->stop);
	set_defaults(SECTION_HEALTH, &config->health);
	set_defaults(SECTION_LOG, &config->log);
	/* Half a configuration has mistakes that the whole has not. */
	if (!loader.over_limit) {
		for (size_t i = 0; i < config->n_entries; i++)
			apply_entry(&loader, &config->entries[i]);
		config_check(&loader);
		apply_after_end(config);
	}
	complain_of_the_rest(&loader);

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
		config_clear_service(&config->services[i]);
	for (size_t i = 0; i < config->n_entries; i++)
		free_entry(&config->entries[i]);
	free(config->entries);
	free(config);
}
