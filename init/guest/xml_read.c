#include "init/guest/xml_read.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

char *xml_find(const char *xml, const char *path)
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlXPathContext *context = document ? xmlXPathNewContext(document) : NULL;
	xmlXPathObject *found = context ? xmlXPathEval((const xmlChar *)path, context) : NULL;
	const xmlNodeSet *nodes = found ? found->nodesetval : NULL;
	char *value =
		nodes && nodes->nodeNr > 0 ? (char *)xmlNodeGetContent(nodes->nodeTab[0]) : NULL;

	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(document);
	return value;
}
