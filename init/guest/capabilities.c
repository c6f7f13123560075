/*
 * Reader of the domain capabilities.
 *
 * libvirt lists some enlightenments that QEMU knows but this KVM does not provide (spinlocks is a
 * mere number to QEMU), and starts no guest that asks for one in vain. `relaxed` needs nothing but
 * a KVM with Hyper-V support, so it stands for that: without it there is none.
 */
#include "init/guest/capabilities.h"

#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

static const struct {
	const char *name;
	uint32_t needs;
} features[] = {
	[HYPERV_RELAXED] = { "relaxed", 0 },
	[HYPERV_VAPIC] = { "vapic", 0 },
	[HYPERV_SPINLOCKS] = { "spinlocks", 0 },
	[HYPERV_VPINDEX] = { "vpindex", 0 },
	[HYPERV_RUNTIME] = { "runtime", 0 },
	[HYPERV_SYNIC] = { "synic", HYPERV_BIT(HYPERV_VPINDEX) },
	[HYPERV_STIMER] = { "stimer", HYPERV_BIT(HYPERV_SYNIC) },
	[HYPERV_RESET] = { "reset", 0 },
	[HYPERV_FREQUENCIES] = { "frequencies", 0 },
	[HYPERV_REENLIGHTENMENT] = { "reenlightenment", 0 },
	[HYPERV_TLBFLUSH] = { "tlbflush", HYPERV_BIT(HYPERV_VPINDEX) },
	[HYPERV_IPI] = { "ipi", HYPERV_BIT(HYPERV_VPINDEX) },
};

static_assert(ARRAY_SIZE(features) == N_HYPERV_FEATURES, "an enlightenment without a name");

const char *hyperv_name(enum hyperv_feature feature)
{
	return features[feature].name;
}

uint32_t hyperv_close(uint32_t offered)
{
	if (!(offered & HYPERV_BIT(HYPERV_RELAXED)))
		return 0;
	/* What a feature needs stands before it in the table. */
	for (size_t i = 0; i < N_HYPERV_FEATURES; i++) {
		if (features[i].needs & ~offered)
			offered &= ~HYPERV_BIT(i);
	}
	return offered;
}

static uint32_t feature_bit(const xmlNode *value)
{
	xmlChar *text = xmlNodeGetContent(value);
	uint32_t bit = 0;

	for (size_t i = 0; text && i < N_HYPERV_FEATURES; i++) {
		if (streq((const char *)text, features[i].name))
			bit = HYPERV_BIT(i);
	}
	xmlFree(text);
	return bit;
}

static uint32_t read_hyperv(xmlDoc *document)
{
	static const char path[] = "/domainCapabilities/features/hyperv[@supported='yes']/"
				   "enum[@name='features']/value";
	xmlXPathContext *context = xmlXPathNewContext(document);
	xmlXPathObject *found = context ? xmlXPathEval((const xmlChar *)path, context) : NULL;
	uint32_t offered = 0;

	for (int i = 0; found && found->nodesetval && i < found->nodesetval->nodeNr; i++)
		offered |= feature_bit(found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	return offered;
}

int capabilities_parse(const char *xml, struct capabilities *ret_capabilities)
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
	int result = -EBADMSG;

	if (root && streq((const char *)root->name, "domainCapabilities")) {
		ret_capabilities->hyperv = hyperv_close(read_hyperv(document));
		result = 0;
	}
	xmlFreeDoc(document);
	return result;
}
