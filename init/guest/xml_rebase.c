#include "init/guest/xml_rebase.h"

#include "lib/util.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#define X(text) ((const xmlChar *)(text))

static xmlNode *child_named(const xmlNode *node, const char *name)
{
	xmlNode *child = node ? node->children : NULL;

	while (child && !xmlStrEqual(child->name, X(name)))
		child = child->next;
	return child;
}

static bool has_source(const xmlNode *disk, const char *path)
{
	const xmlNode *source = child_named(disk, "source");
	xmlChar *file = source ? xmlGetProp(source, X("file")) : NULL;
	bool same = file && streq((const char *)file, path);

	xmlFree(file);
	return same;
}

static xmlNode *find_disk(const xmlDoc *document, const char *path)
{
	const xmlNode *devices = child_named(xmlDocGetRootElement(document), "devices");
	xmlNode *node = devices ? devices->children : NULL;

	while (node && !(xmlStrEqual(node->name, X("disk")) && has_source(node, path)))
		node = node->next;
	return node;
}

/** add_backing() - <backingStore> for each image, each in the one before, and an empty one at the
 * end: so that nothing that an image says of itself is believed. They are nobody's to be given. */
static bool add_backing(xmlNode *parent, const struct disk_link *links, size_t n)
{
	xmlNode *backing = xmlNewChild(parent, NULL, X("backingStore"), NULL), *format, *source,
		*label;

	if (!backing || n == 0)
		return backing != NULL;
	format = xmlNewChild(backing, NULL, X("format"), NULL);
	source = xmlNewChild(backing, NULL, X("source"), NULL);
	label = source ? xmlNewChild(source, NULL, X("seclabel"), NULL) : NULL;
	return format && label &&
	       xmlNewProp(backing, X("type"), X(links[0].block ? "block" : "file")) &&
	       xmlNewProp(format, X("type"), X(image_format_name(links[0].format))) &&
	       xmlNewProp(source, X(links[0].block ? "dev" : "file"), X(links[0].path)) &&
	       xmlNewProp(label, X("model"), X("dac")) &&
	       xmlNewProp(label, X("relabel"), X("no")) && add_backing(backing, links + 1, n - 1);
}

/** set_cache() - Not every file system can do without the page cache. */
static void set_cache(xmlNode *driver, bool direct)
{
	if (driver && direct)
		xmlSetProp(driver, X("cache"), X("none"));
	else if (driver)
		xmlUnsetProp(driver, X("cache"));
}

int xml_rebase(const char *xml, const struct disk *disk, char **ret_xml)
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *node = document ? find_disk(document, disk->links[0].path) : NULL;
	xmlNode *old = child_named(node, "backingStore");
	xmlChar *text = NULL;
	int size, result = node ? 0 : -EBADMSG;

	if (old) {
		xmlUnlinkNode(old);
		xmlFreeNode(old);
	}
	if (node)
		set_cache(child_named(node, "driver"), disk->direct);
	if (node && add_backing(node, disk->links + 1, disk->n - 1))
		xmlDocDumpMemory(document, &text, &size);
	xmlFreeDoc(document);
	if (result == 0 && !text)
		result = -ENOMEM;
	if (result == 0)
		*ret_xml = (char *)text;
	return result;
}
