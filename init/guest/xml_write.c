/* A thin skin over libxml2's xmlTextWriter. After the first failure every call does nothing. */
#include "init/guest/xml_write.h"

#include "lib/util.h"

#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdarg.h>

struct xml_out {
	xmlBuffer *buffer;
	xmlTextWriter *writer;
	int error;
};

struct xml_out *xml_out_new(void)
{
	struct xml_out *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->buffer = xmlBufferCreate();
	out->writer = out->buffer ? xmlNewTextWriterMemory(out->buffer, 0) : NULL;
	if (!out->writer) {
		if (out->buffer)
			xmlBufferFree(out->buffer);
		free(out);
		return NULL;
	}
	xmlTextWriterSetIndent(out->writer, 1);
	xmlTextWriterSetIndentString(out->writer, (const xmlChar *)"  ");
	return out;
}

/**
 * checked() - @text if it can stand in XML; else the empty string, and the whole document has
 * failed.
 */
static const xmlChar *checked(struct xml_out *out, const char *text)
{
	if (xmlCheckUTF8((const unsigned char *)text))
		return (const xmlChar *)text;
	out->error = -EILSEQ;
	return (const xmlChar *)"";
}

static void done(struct xml_out *out, int result)
{
	if (result < 0 && !out->error)
		out->error = -ENOMEM;
}

static void start(struct xml_out *out, const char *name, va_list attributes)
{
	const char *key;

	done(out, xmlTextWriterStartElement(out->writer, (const xmlChar *)name));
	while ((key = va_arg(attributes, const char *))) {
		const char *value = va_arg(attributes, const char *);

		if (value)
			done(out, xmlTextWriterWriteAttribute(out->writer, (const xmlChar *)key,
							      checked(out, value)));
	}
}

void xml_open(struct xml_out *out, const char *name, ...)
{
	va_list attributes;

	va_start(attributes, name);
	start(out, name, attributes);
	va_end(attributes);
}

void xml_close(struct xml_out *out)
{
	done(out, xmlTextWriterEndElement(out->writer));
}

void xml_leaf(struct xml_out *out, const char *name, ...)
{
	va_list attributes;

	va_start(attributes, name);
	start(out, name, attributes);
	va_end(attributes);
	xml_close(out);
}

void xml_content(struct xml_out *out, const char *text)
{
	done(out, xmlTextWriterWriteString(out->writer, checked(out, text)));
}

void xml_text(struct xml_out *out, const char *name, const char *text)
{
	done(out,
	     xmlTextWriterWriteElement(out->writer, (const xmlChar *)name, checked(out, text)));
}

void xml_number(struct xml_out *out, const char *name, const char *attribute, const char *value,
		unsigned long long number)
{
	xml_open(out, name, attribute, value, NULL);
	done(out, xmlTextWriterWriteFormatString(out->writer, "%llu", number));
	xml_close(out);
}

int xml_out_finish(struct xml_out *out, char **ret_text)
{
	int error;
	char *text = NULL;

	done(out, xmlTextWriterEndDocument(out->writer));
	error = out->error;
	xmlFreeTextWriter(out->writer); /* flushes into the buffer */
	if (!error) {
		text = strdup((const char *)xmlBufferContent(out->buffer));
		if (!text)
			error = -ENOMEM;
	}
	xmlBufferFree(out->buffer);
	free(out);
	if (!error)
		*ret_text = text;
	return error;
}
