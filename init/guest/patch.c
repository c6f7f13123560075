#include "init/guest/patch.h"

#include "init/guest/xml_read.h"
#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>
#include <libxml/parser.h>

#define PATCH_MAX (1 << 20)

/** read_patch() - The file whole. @ret_text: on failure why not. */
static int read_patch(const char *path, char **ret_patch, size_t size, char *ret_text)
{
	autofclose FILE *file = fopen(path, "re");
	autofree char *patch = malloc(PATCH_MAX + 1);
	size_t n;

	if (!file || !patch) {
		int error = file ? ENOMEM : errno;

		snprintf(ret_text, size, "the file cannot be read: %s", strerror(error));
		return -error;
	}
	n = fread(patch, 1, PATCH_MAX + 1, file);
	if (ferror(file)) {
		snprintf(ret_text, size, "the file cannot be read: %s", strerror(errno));
		return -errno;
	}
	if (n > PATCH_MAX || memchr(patch, '\0', n)) {
		snprintf(ret_text, size, "the file is no text, or bigger than a megabyte");
		return -EFBIG;
	}
	patch[n] = '\0';
	*ret_patch = take_ptr(patch);
	return 0;
}

/** same_at() - Has the element the same text in both documents? */
static bool same_at(const char *path, const char *before, const char *after)
{
	autofree char *old = xml_find(before, path), *new = xml_find(after, path);

	return old && new ? streq(old, new) : old == new;
}

/** check_identity() - The guest is found by its name, and what it keeps by its UUID. */
static int check_identity(const char *before, const char *after, size_t size, char *ret_text)
{
	if (!same_at("/domain/name", before, after)) {
		snprintf(ret_text, size, "it changes the guest's name: set [guest] name instead");
		return -EINVAL;
	}
	if (!same_at("/domain/uuid", before, after)) {
		snprintf(
			ret_text, size,
			"it changes the guest's UUID, which is kept beside its disk in a file that "
			"ends with .uuid: change that one instead");
		return -EINVAL;
	}
	return 0;
}

/** print_document() - Return: allocated, NULL: out of memory. */
static char *print_document(xmlDoc *document)
{
	xmlChar *text = NULL;
	int size;

	xmlDocDumpFormatMemory(document, &text, &size, 1);
	return (char *)text;
}

int patch_apply(const char *path, char **xml, size_t size, char *ret_text)
{
	autofree char *patch = NULL, *changed = NULL;
	xmlDoc *document;
	char *begin;
	int result = read_patch(path, &patch, size, ret_text);

	if (result || !patch)
		return result;
	begin = patch + strspn(patch, " \t\r\n");
	document = xmlReadMemory(*xml, (int)strlen(*xml), NULL, NULL,
				 XML_PARSE_NONET | XML_PARSE_NOBLANKS);
	if (!document) {
		snprintf(ret_text, size, "out of memory");
		return -ENOMEM;
	}
	if (*begin == '<')
		result = patch_stylesheet(&document, begin, size, ret_text);
	else
		result = patch_list(document, patch, size, ret_text);
	if (result == 0) {
		changed = print_document(document);
		if (!changed) {
			snprintf(ret_text, size, "out of memory");
			result = -ENOMEM;
		}
	}
	xmlFreeDoc(document);
	if (result == 0)
		result = check_identity(*xml, changed, size, ret_text);
	if (result)
		return result;
	free(*xml);
	*xml = take_ptr(changed);
	return 0;
}
