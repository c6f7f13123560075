#include "init/guest/plan.h"

#include "init/guest/drives.h"
#include "init/guest/host.h"
#include "init/guest/hostdev.h"
#include "init/guest/nvram.h"
#include "init/guest/placement.h"
#include "init/guest/qemu_cache.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <sys/stat.h>

#define VERBATIM_MAX (1 << 20)
#define LOG_DIRECTORY "/var/log/casement"

/** read_verbatim() - Read the file of [guest] xml whole. */
static int read_verbatim(const char *path, char **ret_text, struct failure *failure)
{
	autofclose FILE *file = fopen(path, "re");
	autofree char *text = malloc(VERBATIM_MAX + 1);
	size_t n;

	if (!file)
		return failure_set(failure, EXIT_CONFIG, -errno,
				   "%s ([guest] xml) cannot be read: %s", path, strerror(errno));
	if (!text)
		return failure_set(failure, EXIT_CONFIG, -ENOMEM,
				   "%s ([guest] xml) cannot be read: out of memory", path);
	n = fread(text, 1, VERBATIM_MAX + 1, file);
	if (ferror(file))
		return failure_set(failure, EXIT_CONFIG, -errno,
				   "%s ([guest] xml) cannot be read: %s", path, strerror(errno));
	if (n > VERBATIM_MAX)
		return failure_set(failure, EXIT_CONFIG, -EFBIG,
				   "%s ([guest] xml) is too big for a domain XML", path);
	text[n] = '\0';
	*ret_text = text;
	text = NULL;
	return 0;
}

/**
 * parse_verbatim() - Take the name, and whether there is a UUID, out of the document. libvirt
 * checks everything else.
 */
static int parse_verbatim(struct plan *plan, const char *path, struct failure *failure)
{
	xmlDoc *document = xmlReadMemory(plan->verbatim, (int)strlen(plan->verbatim), path, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
	int result = 0;

	if (!root) {
		const xmlError *error = xmlGetLastError();
		const char *text = error && error->message ? error->message : "no XML";

		result = failure_set(failure, EXIT_CONFIG, -EBADMSG, "%s:%d ([guest] xml): %.*s",
				     path, error ? error->line : 0, (int)strcspn(text, "\n"), text);
	}
	for (const xmlNode *node = root ? root->children : NULL; node; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		if (streq((const char *)node->name, "name") && !plan->name)
			plan->name = (char *)xmlNodeGetContent(node);
		if (streq((const char *)node->name, "uuid") && !plan->verbatim_uuid)
			plan->verbatim_uuid = (char *)xmlNodeGetContent(node);
	}
	xmlFreeDoc(document);
	if (result == 0 && (!plan->name || !plan->name[0]))
		result = failure_set(failure, EXIT_CONFIG, -EBADMSG,
				     "%s ([guest] xml) is no libvirt domain: it has no <name>",
				     path);
	return result;
}

int plan_read_xml(struct plan *plan, struct failure *failure)
{
	const char *path = plan->config->guest.xml;
	int result = read_verbatim(path, &plan->verbatim, failure);

	return result ? result : parse_verbatim(plan, path, failure);
}

int plan_begin(struct plan *plan, const struct config *config, const char *netinfo,
	       struct failure *failure)
{
	int result;

	*plan = (struct plan){ .config = config };
	result = netinfo_read(netinfo, &plan->netinfo);
	plan->network = result == 0;
	/* A domain of somebody's own may have another network, or none. */
	if (result && !config->guest.xml)
		return failure_set(
			failure, EXIT_UNAVAILABLE, result,
			"there is no network for the guest: %s: %s; casement-netfw up makes it",
			netinfo, strerror(-result));
	if (config->guest.xml)
		return plan_read_xml(plan, failure);
	plan->name = strdup(config->guest.name);
	if (!plan->name || state_init(&plan->state, config->guest.disk) ||
	    install_find(&config->guest, &plan->install))
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	return 0;
}

void plan_keep_claim(struct plan *plan)
{
	if (!plan->verbatim)
		claims_keep(&plan->claims, plan->config);
}

/** fill_pages() - Make the memory as many huge pages as are in it. */
static void fill_pages(struct plan *plan)
{
	uint64_t page = plan->page >> 20, rest = page ? plan->size.memory % page : 0;

	if (!rest || rest == plan->size.memory)
		return;
	plan->size.memory -= rest;
	log_info("the guest gets %llu MiB of memory: that is as many whole huge pages",
		 (unsigned long long)plan->size.memory);
}

int plan_decide_size(struct plan *plan, struct failure *failure)
{
	const struct guest_config *guest = &plan->config->guest;
	struct allowance allowance;
	int result;

	allowance_read("", &allowance);
	if (guest->hugepages) {
		plan->page = placement_page_size("", guest->hugepages);
		/* They are neither in the container's limit nor in what the host has left. */
		allowance.memory = UINT64_MAX;
		allowance.host_memory = 0;
	}
	result = size_decide(plan->config, &allowance, plan->kvm, &plan->size, failure);
	if (result == 0)
		fill_pages(plan);
	return result;
}

/** prepare_disks() - Find or make them all, and claim them. */
static int prepare_disks(struct plan *plan, struct failure *failure)
{
	int result = storage_prepare(&plan->config->guest, &plan->storage, failure);

	if (result)
		return result;
	result = drives_open(plan->config, &plan->storage, failure);
	if (result == 0)
		result = claims_take(&plan->claims, plan->config, failure);
	if (result == 0)
		result = install_hand_over(&plan->install, failure);
	if (result == 0)
		result = install_attach(&plan->install, &plan->config->guest, &plan->storage,
					failure);
	if (result)
		storage_clear(&plan->storage);
	return result;
}

int plan_check_host(const struct plan *plan, struct failure *failure)
{
	const struct config *config = plan->config;
	int result = 0;

	if (plan->verbatim)
		return 0;
	for (size_t i = 0; i < config->n_devices && result == 0; i++)
		result = hostdev_check("", &config->devices[i], failure);
	if (result == 0 && config->guest.hugepages)
		result = placement_check_pages("", plan->page, plan->size.memory, failure);
	return result ? result : placement_check_pin(&config->guest.pin, failure);
}

int plan_prepare(struct plan *plan, struct failure *failure)
{
	int result = 0;

	if (plan->prepared)
		return 0;
	if (!plan->verbatim) {
		/* virtlogd makes the file in it. */
		if (mkdir(LOG_DIRECTORY, 0755) && errno != EEXIST)
			return failure_set(failure, EXIT_CONFIG, -errno, "%s cannot be made: %s",
					   LOG_DIRECTORY, strerror(errno));
		result = host_accel(plan->config->guest.accel, HOST_KVM, &plan->kvm, failure);
		if (result == 0)
			result = plan_decide_size(plan, failure);
		if (result == 0)
			result = prepare_disks(plan, failure);
		if (result == 0 && plan->config->guest.firmware == FIRMWARE_UEFI_SECURE)
			result = nvram_check_secure(plan->storage.nvram, failure);
		if (result == 0)
			qemu_cache_bring(QEMU_CACHE, plan->storage.capabilities);
	}
	plan->prepared = result == 0;
	return result;
}

void plan_clear(struct plan *plan)
{
	claims_drop(&plan->claims);
	state_clear(&plan->state);
	install_clear(&plan->install);
	storage_clear(&plan->storage);
	free(plan->name);
	free(plan->verbatim);
	free(plan->verbatim_uuid);
	*plan = (struct plan){ .config = NULL };
}
