/*
 * [guest] xml-patch: changes to the domain XML that casement makes, for what no key covers.
 *
 * The file is an XSLT stylesheet, if it begins with `<`, or a list of changes, one a line:
 *
 *   XPATH = VALUE     set attributes, or the text of elements; what is missing is made
 *   add XPATH XML     put an element into others
 *   delete XPATH      remove elements or attributes
 */
#pragma once

#include <libxml/tree.h>
#include <stddef.h>

/**
 * patch_apply() - Change the XML of a domain.
 * @path: of the file
 * @xml: allocated; another one on success
 * @ret_text: on failure what is wrong with the file, and where, as a sentence without its name
 *
 * The name and the UUID must stay as they are. Return: 0 or -errno.
 */
int patch_apply(const char *path, char **xml, size_t size, char *ret_text);

/**
 * patch_list() - Apply a list.
 * @text: the file's, which is taken apart
 *
 * Return: 0, or -errno with @ret_text filled.
 */
int patch_list(xmlDoc *document, char *text, size_t size, char *ret_text);

/**
 * patch_stylesheet() - Apply a stylesheet. It can neither read nor write files, nor use a network.
 * @document: another one on success
 *
 * Return: 0, or -errno with @ret_text filled.
 */
int patch_stylesheet(xmlDoc **document, const char *text, size_t size, char *ret_text);
