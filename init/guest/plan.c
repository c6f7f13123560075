#include "init/guest/plan.h"

#include "init/guest/host.h"
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
	if (config->guest.xml) {
		result = read_verbatim(config->guest.xml, &plan->verbatim, failure);
		return result ? result : parse_verbatim(plan, config->guest.xml, failure);
	}
	plan->name = strdup(config->guest.name);
	if (!plan->name || state_init(&plan->state, config->guest.disk) ||
	    install_find(&config->guest, &plan->install))
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	return 0;
}

/**
 * take_claim() - Return: 0, -EBUSY when another container has the disk. Where there are no locks,
 * QEMU's own are what is left.
 */
static int take_claim(struct plan *plan, char ret_holder[static CLAIM_HOLDER_SIZE])
{
	autofree char *path = NULL;
	int result = storage_lock_path(&plan->config->guest, &path);

	if (result == 0)
		result = claim_take(path, &plan->claim, ret_holder);
	if (result && result != -EBUSY)
		log_warning("the disk %s cannot be locked by means of %s: %s; see to it that no "
			    "other container uses it",
			    plan->config->guest.disk, path ? path : "a file", strerror(-result));
	return result == -EBUSY ? result : 0;
}

/** claim_disk() - It is ours alone, or the guest does not start. */
static int claim_disk(struct plan *plan, struct failure *failure)
{
	const char *disk = plan->config->guest.disk;
	char holder[CLAIM_HOLDER_SIZE] = "";

	/* Then it is our own QEMU that writes to it, if any. */
	if (plan->claim.held)
		return 0;
	if (take_claim(plan, holder))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EBUSY,
			"the disk %s ([guest] disk) is in use by another container, with the host "
			"name %s: stop that one first, or give each container a volume of its own",
			disk, holder[0] ? holder : "(unknown)");
	if (!claim_written(disk))
		return 0;
	/* Whoever that is, it is none of ours. */
	claim_drop(&plan->claim);
	return failure_set(failure, EXIT_UNAVAILABLE, -EBUSY,
			   "the disk %s ([guest] disk) is in use: a QEMU or a qemu-img writes to "
			   "it, perhaps in the container with the host name %s; end that first, or "
			   "give each container a volume of its own",
			   disk, holder[0] ? holder : "(unknown)");
}

void plan_keep_claim(struct plan *plan)
{
	char holder[CLAIM_HOLDER_SIZE] = "";

	if (!plan->verbatim && !plan->claim.held && take_claim(plan, holder))
		log_warning("another container, with the host name %s, has just claimed the disk "
			    "%s, which the guest runs on: it will not be able to use it",
			    holder[0] ? holder : "(unknown)", plan->config->guest.disk);
}

/** decide_size() - How big the guest becomes. */
static int decide_size(struct plan *plan, struct failure *failure)
{
	struct allowance allowance;

	allowance_read("", &allowance);
	return size_decide(plan->config, &allowance, plan->kvm, &plan->size, failure);
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
			result = decide_size(plan, failure);
		if (result == 0)
			result = storage_prepare(&plan->config->guest, &plan->storage, failure);
		if (result == 0) {
			result = claim_disk(plan, failure);
			if (result == 0)
				result = install_attach(&plan->install, &plan->config->guest,
							&plan->storage, failure);
			if (result)
				storage_clear(&plan->storage);
		}
	}
	plan->prepared = result == 0;
	return result;
}

void plan_clear(struct plan *plan)
{
	claim_drop(&plan->claim);
	state_clear(&plan->state);
	install_clear(&plan->install);
	storage_clear(&plan->storage);
	free(plan->name);
	free(plan->verbatim);
	free(plan->verbatim_uuid);
	*plan = (struct plan){ .config = NULL };
}
