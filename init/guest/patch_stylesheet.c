/*
 * libxslt with everything forbidden that leads out of the document: reading and writing files,
 * making directories, the network. What includes and imports go by are the default preferences,
 * what the rest goes by are those of the transformation; both are set.
 */
#include "init/guest/patch.h"

#include "lib/util.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxslt/security.h>
#include <libxslt/transform.h>
#include <libxslt/xsltInternals.h>
#include <libxslt/xsltutils.h>
#include <stdarg.h>

/* What libxslt says, in pieces; the first line that is not only about where counts. */
struct words {
	size_t length;
	char text[1024];
};

PRINTF_LIKE(2, 3) static void collect(void *context, const char *format, ...)
{
	struct words *words = context;
	size_t room = sizeof(words->text) - words->length;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(words->text + words->length, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		words->length += (size_t)n < room ? (size_t)n : room - 1;
}

/** explain_words() - What was collected, as one line. */
static int explain_words(struct words *words, const char *otherwise, size_t size, char *ret_text)
{
	for (char *at = words->text; *at; at++) {
		if (*at == '\n')
			*at = at[1] ? ';' : '\0';
	}
	snprintf(ret_text, size, "%s", words->text[0] ? words->text : otherwise);
	return -EINVAL;
}

/** explain_parser() - What libxml2 has against it. */
static int explain_parser(size_t size, char *ret_text)
{
	const xmlError *error = xmlGetLastError();
	const char *text = error && error->message ? error->message : "no XML";

	snprintf(ret_text, size, "line %d: %.*s", error ? error->line : 0, (int)strcspn(text, "\n"),
		 text);
	return -EINVAL;
}

/** forbid_all() - Return: NULL when out of memory. */
static xsltSecurityPrefs *forbid_all(void)
{
	static const xsltSecurityOption options[] = {
		XSLT_SECPREF_READ_FILE,	       XSLT_SECPREF_WRITE_FILE,
		XSLT_SECPREF_CREATE_DIRECTORY, XSLT_SECPREF_READ_NETWORK,
		XSLT_SECPREF_WRITE_NETWORK,
	};
	xsltSecurityPrefs *preferences = xsltNewSecurityPrefs();

	for (size_t i = 0; preferences && i < ARRAY_SIZE(options); i++)
		xsltSetSecurityPrefs(preferences, options[i], xsltSecurityForbid);
	return preferences;
}

/** transform() - Return: a new document, NULL: something was said. */
static xmlDoc *transform(xsltStylesheet *sheet, xmlDoc *document, xsltSecurityPrefs *preferences,
			 struct words *words)
{
	xsltTransformContext *context = xsltNewTransformContext(sheet, document);
	xmlDoc *made;

	if (!context)
		return NULL;
	xsltSetTransformErrorFunc(context, words, collect);
	if (xsltSetCtxtSecurityPrefs(preferences, context)) {
		xsltFreeTransformContext(context);
		return NULL;
	}
	made = xsltApplyStylesheetUser(sheet, document, NULL, NULL, NULL, context);
	/* A document that is only a part of what it should be. */
	if (made && context->state != XSLT_STATE_OK) {
		xmlFreeDoc(made);
		made = NULL;
	}
	xsltFreeTransformContext(context);
	return made;
}

int patch_stylesheet(xmlDoc **document, const char *text, size_t size, char *ret_text)
{
	struct words words = { .length = 0 };
	xsltSecurityPrefs *preferences = forbid_all();
	xmlDoc *source = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
				       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					       XML_PARSE_NOCDATA),
	       *made = NULL;
	xsltStylesheet *sheet = NULL;
	int result = 0;

	if (!source)
		result = explain_parser(size, ret_text);
	else if (!preferences)
		result = explain_words(&words, "out of memory", size, ret_text);
	if (result == 0) {
		xsltSetDefaultSecurityPrefs(preferences);
		xsltSetGenericErrorFunc(&words, collect);
		sheet = xsltParseStylesheetDoc(source);
		if (sheet) {
			source = NULL; /* it is a part of the sheet now */
			if (sheet->errors == 0)
				made = transform(sheet, *document, preferences, &words);
		}
		if (!made || !xmlDocGetRootElement(made))
			result = explain_words(&words, "the stylesheet makes no document of it",
					       size, ret_text);
		xsltSetGenericErrorFunc(NULL, NULL);
		xsltSetDefaultSecurityPrefs(NULL);
	}
	if (result == 0) {
		xmlFreeDoc(*document);
		*document = made;
		made = NULL;
	}
	xmlFreeDoc(made);
	xsltFreeStylesheet(sheet);
	xmlFreeDoc(source);
	xsltFreeSecurityPrefs(preferences);
	return result;
}
