/*
 * From plan to definition: ask what the host can do, build the XML or take the one that is given,
 * make way for it, define it.
 *
 * /etc/libvirt survives a restart of the container, so there may be a domain of that name already.
 * One with another UUID would be refused; it is undefined first, with everything that belongs to it
 * kept.
 */
#include "init/guest/define.h"

#include "init/guest/capabilities.h"
#include "init/guest/host.h"
#include "init/guest/patch.h"
#include "init/guest/xml.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <sys/stat.h>

/* libvirt keeps TPM state below this, and newer versions alone can be told another place. */
#define LIBVIRT_TPM_DIRECTORY "/var/lib/libvirt/swtpm"

/** find_hyperv() - The enlightenments that this KVM has; none if libvirtd does not say. */
static uint32_t find_hyperv(virConnect *connect)
{
	struct capabilities capabilities;
	autofree char *xml = NULL;

	if (!connect)
		return hyperv_close(UINT32_MAX >> (32 - N_HYPERV_FEATURES));
	xml = virConnectGetDomainCapabilities(connect, NULL, "x86_64", "q35", "kvm", 0);
	return xml && capabilities_parse(xml, &capabilities) == 0 ? capabilities.hyperv : 0;
}

int define_describe(virConnect *connect, const struct plan *plan, char **ret_xml, char *ret_text,
		    size_t size)
{
	const struct guest_config *config = &plan->config->guest;
	bool ask = plan->kvm && config->profile != PROFILE_LINUX;
	const struct xml_spec spec = {
		.config = config,
		.size = &plan->size,
		.disk = &plan->storage.disk,
		.drives = plan->storage.drives,
		.n_drives = plan->storage.n_drives,
		.devices = plan->config->devices,
		.n_devices = plan->config->n_devices,
		.page = plan->page,
		.uuid = plan->storage.uuid,
		.nvram = plan->storage.nvram,
		.bridge = plan->netinfo.bridge,
		.mtu = plan->netinfo.mtu,
		.kvm = plan->kvm,
		.intel = host_is_intel(),
		.hyperv = ask ? find_hyperv(connect) : 0,
	};
	int result = xml_build(&spec, ret_xml);

	if (result == -EILSEQ)
		snprintf(ret_text, size,
			 "the guest's name or a path of its disks is not valid UTF-8");
	else if (result)
		snprintf(ret_text, size, "out of memory");
	if (result || !config->xml_patch)
		return result;
	result = patch_apply(config->xml_patch, ret_xml, size, ret_text);
	if (result) {
		free(*ret_xml);
		*ret_xml = NULL;
	}
	return result;
}

/** insert_uuid() - @xml with a <uuid>: that of the domain that it replaces. */
static int insert_uuid(const char *xml, const char *uuid, char **ret_xml)
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR);
	xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
	xmlChar *text = NULL;
	int size;

	if (root && xmlNewTextChild(root, NULL, (const xmlChar *)"uuid", (const xmlChar *)uuid))
		xmlDocDumpMemory(document, &text, &size);
	xmlFreeDoc(document);
	if (!text)
		return -ENOMEM;
	*ret_xml = (char *)text;
	return 0;
}

/**
 * take_verbatim() - The XML that is given. Without a UUID it would be another machine at each
 * start.
 */
static int take_verbatim(const struct plan *plan, virDomain *old, char **ret_xml)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (!plan->verbatim_uuid && old && virDomainGetUUIDString(old, uuid) == 0)
		return insert_uuid(plan->verbatim, uuid, ret_xml);
	*ret_xml = strdup(plan->verbatim);
	return *ret_xml ? 0 : -ENOMEM;
}

/**
 * make_way() - Undefine @old if what replaces it is another machine by its UUID. Return: 0 or -EIO.
 */
static int make_way(const struct plan *plan, virDomain *old)
{
	const char *wanted = plan->verbatim ? plan->verbatim_uuid : plan->storage.uuid;
	char uuid[VIR_UUID_STRING_BUFLEN];

	/* A verbatim XML without one got the old one's. */
	if (!old || !wanted || virDomainGetUUIDString(old, uuid) < 0 ||
	    strcasecmp(uuid, wanted) == 0)
		return 0;
	return virDomainUndefineFlags(old, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |
						   VIR_DOMAIN_UNDEFINE_KEEP_TPM) < 0
		       ? -EIO
		       : 0;
}

/**
 * keep_tpm() - Put the TPM's state on the storage volume, by a link from where libvirt keeps it.
 */
static int keep_tpm(const struct plan *plan, char *ret_text, size_t size)
{
	char link_path[sizeof(LIBVIRT_TPM_DIRECTORY) + IDENTITY_UUID_SIZE + 1];

	snprintf(link_path, sizeof(link_path), LIBVIRT_TPM_DIRECTORY "/%s", plan->storage.uuid);
	/* swtpm's user passes through both and owns what is in the second. */
	if ((mkdir(LIBVIRT_TPM_DIRECTORY, 0711) && errno != EEXIST) ||
	    (mkdir(plan->storage.tpm, 0711) && errno != EEXIST) ||
	    (symlink(plan->storage.tpm, link_path) && errno != EEXIST)) {
		snprintf(ret_text, size, "the TPM's state cannot be kept in %s: %s",
			 plan->storage.tpm, strerror(errno));
		return -errno;
	}
	return 0;
}

/** attribute_of_type() - @name of <os><type> in a domain's XML; NULL when it has none. */
static char *attribute_of_type(const xmlDoc *document, const char *name)
{
	const xmlNode *node = xmlDocGetRootElement(document);

	for (const char *const *element = (const char *const[]){ "os", "type", NULL };
	     node && *element; element++) {
		node = node->children;
		while (node && !xmlStrEqual(node->name, (const xmlChar *)*element))
			node = node->next;
	}
	return node ? (char *)xmlGetProp(node, (const xmlChar *)name) : NULL;
}

/**
 * check_machine() - Does QEMU have the machine of a given XML? If not, libvirtd would say anything
 * but that when it is to define the domain ("No PCI buses available").
 *
 * Return: 0, or -EIO with libvirt's error set.
 */
static int check_machine(virConnect *connect, const char *xml, char *ret_text, size_t size)
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	autofree char *machine = document ? attribute_of_type(document, "machine") : NULL;
	autofree char *arch = document ? attribute_of_type(document, "arch") : NULL;
	autofree char *capabilities = NULL;

	xmlFreeDoc(document);
	/* Another emulator may have other machines. */
	if (!machine || !arch || strstr(xml, "<emulator"))
		return 0;
	capabilities = virConnectGetDomainCapabilities(connect, NULL, arch, machine, NULL, 0);
	if (capabilities)
		return 0;
	snprintf(ret_text, size, "the machine type %s: %s", machine, virGetLastErrorMessage());
	return -EIO;
}

int define_domain(virConnect *connect, const struct plan *plan, virDomain **ret_domain,
		  char *ret_text, size_t size)
{
	virDomain *old = *ret_domain;
	autofree char *xml = NULL;
	virDomain *domain;
	int result;

	result = plan->verbatim ? take_verbatim(plan, old, &xml)
				: define_describe(connect, plan, &xml, ret_text, size);
	if (result == 0 && !plan->verbatim && plan->config->guest.tpm)
		result = keep_tpm(plan, ret_text, size);
	if (result == 0 && plan->verbatim)
		result = check_machine(connect, xml, ret_text, size);
	if (result == 0)
		result = make_way(plan, old);
	if (result)
		return result;
	domain = virDomainDefineXMLFlags(connect, xml, VIR_DOMAIN_DEFINE_VALIDATE);
	if (!domain)
		return -EIO;
	if (old)
		virDomainFree(old);
	*ret_domain = domain;
	return 0;
}
