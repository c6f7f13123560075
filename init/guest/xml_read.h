/* Single values out of XML documents. */
#pragma once

/**
 * xml_find() - The text of the first element or attribute that an XPath finds in a document.
 *
 * Return: allocated; NULL if there is none, or if it is no XML.
 */
char *xml_find(const char *xml, const char *path);
