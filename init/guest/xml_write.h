/*
 * Elements, attributes and text into memory, with the failures of all of them collected into one.
 */
#pragma once

struct xml_out;

/**
 * xml_open() - Begin an element. Attributes follow as pairs of strings and end with NULL; a pair
 * with NULL is left out.
 */
__attribute__((sentinel)) void xml_open(struct xml_out *out, const char *name, ...);

/** xml_close() - End the element begun last. */
void xml_close(struct xml_out *out);

/** xml_leaf() - An element without content. */
__attribute__((sentinel)) void xml_leaf(struct xml_out *out, const char *name, ...);

/** xml_content() - Text inside the element begun last. */
void xml_content(struct xml_out *out, const char *text);

/** xml_text() - An element with nothing but text in it. */
void xml_text(struct xml_out *out, const char *name, const char *text);

/** xml_number() - An element with nothing but a number in it, and perhaps one attribute. */
void xml_number(struct xml_out *out, const char *name, const char *attribute, const char *value,
		unsigned long long number);

/** xml_out_new() - Return: NULL when out of memory. */
struct xml_out *xml_out_new(void);

/**
 * xml_out_finish() - End the document, take its text and free @out.
 * @ret_text: allocated
 *
 * Return: 0, -EILSEQ if any text was not UTF-8, or -ENOMEM.
 */
int xml_out_finish(struct xml_out *out, char **ret_text);
