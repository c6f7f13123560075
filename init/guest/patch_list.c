/*
 * Changes one a line. What a path does not find is made if that needs nothing but names: the last
 * steps of /domain/memtune/hard_limit, an attribute at the end. A path with anything else in it
 * that finds nothing is a mistake, and so is a line that would wipe out elements by a text.
 */
#include "init/guest/patch.h"

#include "lib/util.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdarg.h>

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"
/* A path that is longer is shown in part. */
#define PATH_SHOWN "%.160s"

struct list {
	xmlXPathContext *context;
	unsigned line;
	size_t size;
	char *text; /* where a mistake is written to */
};

PRINTF_LIKE(2, 3) static int mistake(const struct list *list, const char *format, ...)
{
	int n = snprintf(list->text, list->size, "line %u: ", list->line);
	va_list arguments;

	if (n > 0 && (size_t)n < list->size) {
		va_start(arguments, format);
		vsnprintf(list->text + n, list->size - (size_t)n, format, arguments);
		va_end(arguments);
	}
	return -EINVAL;
}

/** find() - What the path finds; @ret_found may be without any. Return: 0 or -EINVAL. */
static int find(const struct list *list, const char *path, xmlXPathObject **ret_found)
{
	xmlXPathObject *found = xmlXPathEval((const xmlChar *)path, list->context);

	if (!found)
		return mistake(list, "\"" PATH_SHOWN "\" is no XPath", path);
	if (found->type != XPATH_NODESET) {
		xmlXPathFreeObject(found);
		return mistake(list, "\"" PATH_SHOWN "\" finds neither elements nor attributes",
			       path);
	}
	*ret_found = found;
	return 0;
}

static int count(const xmlXPathObject *found)
{
	return found && found->nodesetval ? found->nodesetval->nodeNr : 0;
}

/** is_name() - Nothing but the name of an element or an attribute? */
static bool is_name(const char *text)
{
	return xmlValidateNCName((const xmlChar *)text, 0) == 0;
}

static bool has_elements(const xmlNode *node)
{
	for (const xmlNode *child = node->children; child; child = child->next) {
		if (child->type == XML_ELEMENT_NODE)
			return true;
	}
	return false;
}

/** set_node() - Give an attribute or an element its text. */
static int set_node(const struct list *list, xmlNode *node, const char *path, const char *value)
{
	if (node->type == XML_ATTRIBUTE_NODE) {
		xmlSetProp(node->parent, node->name, (const xmlChar *)value);
		return 0;
	}
	if (node->type != XML_ELEMENT_NODE)
		return mistake(list, "\"" PATH_SHOWN "\" finds neither elements nor attributes",
			       path);
	if (has_elements(node))
		return mistake(list,
			       "\"" PATH_SHOWN "\" has elements in it, which a text would replace: "
			       "name one of them or an attribute, or delete it first",
			       path);
	while (node->children) {
		xmlNode *child = node->children;

		xmlUnlinkNode(child);
		xmlFreeNode(child);
	}
	/* Unlike xmlNodeSetContent() this takes an & for what it is. */
	xmlNodeAddContent(node, (const xmlChar *)value);
	return 0;
}

/** make() - Make what @path does not find, below what its first steps find. */
static int make(const struct list *list, const char *path, const char *value)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	bool attribute = name[0] == '@';
	xmlXPathObject *found = NULL;
	autofree char *parent = NULL;
	int result;

	name += attribute;
	if (!slash || slash == path || slash[-1] == '/' || !is_name(name))
		return mistake(list, "\"" PATH_SHOWN "\" finds nothing", path);
	parent = strndup(path, (size_t)(slash - path));
	if (!parent)
		return mistake(list, "out of memory");
	result = find(list, parent, &found);
	if (result == 0 && count(found) == 0) {
		xmlXPathFreeObject(found);
		found = NULL;
		result = make(list, parent, "");
		if (result == 0)
			result = find(list, parent, &found);
	}
	for (int i = 0; result == 0 && i < count(found); i++) {
		xmlNode *node = found->nodesetval->nodeTab[i];

		if (node->type != XML_ELEMENT_NODE)
			result = mistake(list,
					 "\"" PATH_SHOWN "\" is no element: nothing can be in "
					 "it",
					 parent);
		else if (attribute)
			xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
		else
			xmlNewTextChild(node, NULL, (const xmlChar *)name,
					*value ? (const xmlChar *)value : NULL);
	}
	xmlXPathFreeObject(found);
	return result;
}

static int set(const struct list *list, const char *path, const char *value)
{
	xmlXPathObject *found = NULL;
	int result = find(list, path, &found), n = result ? 0 : count(found);

	for (int i = 0; result == 0 && i < n; i++)
		result = set_node(list, found->nodesetval->nodeTab[i], path, value);
	xmlXPathFreeObject(found);
	return result || n ? result : make(list, path, value);
}

static int delete (const struct list *list, const char *path)
{
	xmlXPathObject *found = NULL;
	int result = find(list, path, &found);

	if (result)
		return result;
	if (count(found) == 0)
		result = mistake(list, "\"" PATH_SHOWN "\" finds nothing", path);
	/* From the end: what is in something else goes first. */
	for (int i = count(found) - 1; i >= 0 && result == 0; i--) {
		xmlNode *node = found->nodesetval->nodeTab[i];

		if (node->type == XML_ATTRIBUTE_NODE) {
			xmlRemoveProp((xmlAttr *)node);
		} else if (node->parent && node->parent->type == XML_ELEMENT_NODE) {
			xmlUnlinkNode(node);
			xmlFreeNode(node);
		} else {
			result = mistake(list, "\"" PATH_SHOWN "\" is the whole domain", path);
		}
		found->nodesetval->nodeTab[i] = NULL;
	}
	xmlXPathFreeObject(found);
	return result;
}

/** add() - Put the elements of @xml to the end of whatever @path finds. */
static int add(const struct list *list, const char *path, const char *xml)
{
	xmlXPathObject *found = NULL;
	int result = find(list, path, &found);

	if (result)
		return result;
	if (count(found) == 0)
		result = mistake(list, "\"" PATH_SHOWN "\" finds nothing", path);
	for (int i = 0; i < count(found) && result == 0; i++) {
		xmlNode *node = found->nodesetval->nodeTab[i], *made = NULL;

		if (node->type != XML_ELEMENT_NODE)
			result = mistake(list,
					 "\"" PATH_SHOWN "\" is no element: nothing can be in "
					 "it",
					 path);
		else if (xmlParseInNodeContext(node, xml, (int)strlen(xml),
					       XML_PARSE_NONET | XML_PARSE_NOERROR |
						       XML_PARSE_NOWARNING,
					       &made) != XML_ERR_OK ||
			 !made)
			result = mistake(list, "\"" PATH_SHOWN "\" is no XML", xml);
		else
			xmlAddChildList(node, made);
	}
	xmlXPathFreeObject(found);
	return result;
}

/**
 * find_outside() - The first of these characters in @text that is in no bracket and no quotes.
 * NULL: none.
 */
static char *find_outside(char *text, const char *characters)
{
	unsigned depth = 0;
	char quote = '\0';

	for (; *text; text++) {
		if (quote) {
			if (*text == quote)
				quote = '\0';
		} else if (*text == '"' || *text == '\'') {
			quote = *text;
		} else if (!depth && strchr(characters, *text)) {
			return text;
		} else if (*text == '[' || *text == '(') {
			depth++;
		} else if ((*text == ']' || *text == ')') && depth) {
			depth--;
		}
	}
	return NULL;
}

/** trim() - Without blanks at both ends. */
static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t\r");
	n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

static bool take_word(char **line, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*line, word, n) != 0 || !isblank((unsigned char)(*line)[n]))
		return false;
	*line = trim(*line + n);
	return true;
}

static int apply_line(const struct list *list, char *line)
{
	char *split;

	if (take_word(&line, "delete"))
		return delete (list, line);
	if (take_word(&line, "add")) {
		split = find_outside(line, "<");
		if (!split)
			return mistake(list, "there is no XML behind add XPATH");
		/* The path, without what is between the two. */
		line = strndup(line, (size_t)(split - line));
		if (!line)
			return mistake(list, "out of memory");
		int result = add(list, trim(line), split);

		free(line);
		return result;
	}
	split = find_outside(line, "=");
	if (!split)
		return mistake(list, "this is neither XPATH = VALUE nor add XPATH XML nor delete "
				     "XPATH");
	*split = '\0';
	return set(list, trim(line), trim(split + 1));
}

/** be_silent() - libxml2 would write to stderr what is said in our own words. */
static void be_silent(void *context, const char *format, ...)
{
	(void)context;
	(void)format;
}

int patch_list(xmlDoc *document, char *text, size_t size, char *ret_text)
{
	struct list list = { .size = size, .text = ret_text };
	int result = 0;

	list.context = xmlXPathNewContext(document);
	if (!list.context) {
		snprintf(ret_text, size, "out of memory");
		return -ENOMEM;
	}
	xmlSetGenericErrorFunc(NULL, be_silent);
	xmlXPathRegisterNs(list.context, (const xmlChar *)"qemu", (const xmlChar *)QEMU_NAMESPACE);
	for (char *next; text && result == 0; text = next) {
		char *end = strchr(text, '\n'), *line;

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		list.line++;
		line = trim(text);
		if (*line && *line != '#')
			result = apply_line(&list, line);
	}
	xmlXPathFreeContext(list.context);
	xmlSetGenericErrorFunc(NULL, NULL);
	return result;
}
