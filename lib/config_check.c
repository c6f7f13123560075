/*
 * What only shows in the whole configuration: names that services wait for, cycles, more than one
 * main service, forwards of ports that are kept, a disk that is named twice. When all is well the
 * services are put into their order.
 */
#include "lib/config_entry.h"
#include "lib/util.h"

/* A part of a forward that is kept as well. */
struct overlap {
	const struct forward *forward;
	uint16_t first, last;
};

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

static int compare_overlaps(const void *a, const void *b)
{
	const struct overlap *x = a, *y = b;

	if (x->forward->entry != y->forward->entry)
		return x->forward->entry < y->forward->entry ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->last != y->last)
		return x->last < y->last ? -1 : 1;
	return x->forward->proto - y->forward->proto;
}

static bool is_before(const struct forward *a, const struct forward *b)
{
	return a->proto != b->proto ? a->proto < b->proto : a->listen_last < b->listen_first;
}

/*
 * Both lists are sorted, and neither overlaps itself: one pass sees every pair, and there are fewer
 * than both lists have entries.
 */
static size_t find_overlaps(const struct network_config *network, struct overlap *overlaps)
{
	const struct forward *f = network->forwards, *end = f + network->n_forwards;
	const struct forward *kept = network->keep, *kept_end = kept + network->n_keep;
	size_t n = 0;

	while (f < end && kept < kept_end) {
		if (f->all || is_before(f, kept)) {
			f++;
			continue;
		}
		if (is_before(kept, f)) {
			kept++;
			continue;
		}
		overlaps[n].forward = f;
		overlaps[n].first =
			f->listen_first > kept->listen_first ? f->listen_first : kept->listen_first;
		overlaps[n].last =
			f->listen_last < kept->listen_last ? f->listen_last : kept->listen_last;
		n++;
		if (f->listen_last < kept->listen_last)
			f++;
		else
			kept++;
	}
	return n;
}

/* @both: the entry is meant for both protocols, and both are in the way. */
static void complain_overlap(struct config_loader *loader, const struct overlap *overlap, bool both)
{
	const struct config_entry *entry = config_find_entry(loader->config, "network", "forwards");
	const struct forward *f = overlap->forward;
	struct forward part = { .listen_first = overlap->first, .listen_last = overlap->last };
	const char *proto = forward_proto_name(f);
	char place[512], keep[512], listen[12], guest[12], kept[12];
	bool shifted = f->guest_first != f->listen_first;

	config_complain(
		loader,
		"%s: entry %u, \"%s%s%s%s%s\": %s port %s stays with the container: [network] keep "
		"(%s) has it",
		entry ? config_entry_place(entry, place, sizeof(place))
		      : "[network] forwards, the built-in default",
		f->entry, forward_listen_text(f, listen), shifted ? ":" : "",
		shifted ? forward_guest_text(f, guest) : "", both ? "" : "/", both ? "" : proto,
		both ? "tcp and udp" : proto, forward_listen_text(&part, kept),
		config_origin(loader->config, "network", "keep", keep, sizeof(keep)));
}

/* A port that is named in both lists. `all` means the others only. */
static void check_forwards(struct config_loader *loader)
{
	const struct network_config *network = &loader->config->network;
	autofree struct overlap *overlaps =
		calloc(network->n_forwards + network->n_keep + 1, sizeof(*overlaps));
	size_t n;

	if (!overlaps) {
		loader->out_of_memory = true;
		return;
	}
	/* An empty list is no array, not even an empty one. */
	if (network->n_forwards == 0 || network->n_keep == 0)
		return;
	n = find_overlaps(network, overlaps);
	qsort(overlaps, n, sizeof(*overlaps), compare_overlaps);
	for (size_t i = 0; i < n; i++) {
		const struct overlap *o = &overlaps[i];
		bool both = i + 1 < n && o[1].forward->entry == o->forward->entry &&
			    o[1].first == o->first && o[1].last == o->last;

		complain_overlap(loader, o, both);
		i += both;
	}
}

/* With a domain XML of one's own its disks are not known, and a state goes with them alone. */
static void check_save(struct config_loader *loader)
{
	const struct config *config = loader->config;
	const struct config_entry *entry;
	char place[512];

	if (config->stop.on_deadline != ON_DEADLINE_SAVE || !config->guest.xml)
		return;
	entry = config_find_entry(config, "stop", "on-deadline");
	if (entry)
		config_complain(loader, "%s: save does not work with [guest] xml",
				config_entry_place(entry, place, sizeof(place)));
}

/* What changes the XML that casement makes needs one that it makes. */
static void check_made_xml(struct config_loader *loader)
{
	static const char *const keys[] = { "xml-patch", "hugepages", "pin" };
	const struct guest_config *guest = &loader->config->guest;
	bool set[] = { guest->xml_patch, guest->hugepages, CPU_COUNT(&guest->pin) };
	char place[512];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct config_entry *entry =
			config_find_entry(loader->config, "guest", keys[i]);

		if (guest->xml && set[i] && entry)
			config_complain(loader,
					"%s: this key does not work with [guest] xml: put it into "
					"that file",
					config_entry_place(entry, place, sizeof(place)));
	}
}

/* Huge pages are beside what the container's memory limit counts. */
static void check_hugepages(struct config_loader *loader)
{
	const struct guest_config *guest = &loader->config->guest;
	const struct config_entry *entry = config_find_entry(loader->config, "guest", "memory");
	char place[512];

	if (guest->hugepages && guest->memory.kind != MEMORY_SIZE && entry)
		config_complain(loader,
				"%s: with [guest] hugepages this must be a size such as 4G: the "
				"container's memory limit does not count them",
				config_entry_place(entry, place, sizeof(place)));
}

/* A source that is used in place is the disk: whoever asks for the disk gets it. */
static void place_disk(struct config_loader *loader)
{
	struct guest_config *guest = &loader->config->guest;
	const struct config_entry *in_place =
		config_find_entry(loader->config, "guest", "in-place");
	const struct config_entry *disk = config_find_entry(loader->config, "guest", "disk");
	char place[512], other[512];

	if (!guest->in_place || !in_place)
		return;
	config_entry_place(in_place, place, sizeof(place));
	if (!guest->source) {
		config_complain(loader,
				"%s: there is no [guest] source that could be used in place",
				place);
		return;
	}
	if (disk) {
		config_complain(loader,
				"%s: the source is the guest's disk then, so one of them is too "
				"much: %s",
				place, config_entry_place(disk, other, sizeof(other)));
		return;
	}
	config_key_set(config_key_find(SECTION_GUEST, "disk"), guest, guest->source, NULL, NULL);
	/* It was a good path before. */
	if (!streq(guest->disk, guest->source))
		loader->out_of_memory = true;
}

void config_check(struct config_loader *loader)
{
	place_disk(loader);
	config_check_install(loader);
	check_save(loader);
	check_made_xml(loader);
	check_hugepages(loader);
	config_check_devices(loader);
	check_services(loader);
	check_forwards(loader);
	if (!loader->n_errors)
		sort_services(loader);
}
