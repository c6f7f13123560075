/* A growing list of strings that ends with NULL, so that it can serve as an argv. */
#pragma once

#include <stddef.h>

struct strlist {
	char **item; /* NULL-terminated once anything was added; NULL while empty */
	size_t n;
};

/** strlist_add() - Append a copy of @text. Return: 0 or -ENOMEM. */
int strlist_add(struct strlist *list, const char *text);

/** strlist_add_bytes() - Append a copy of the first @length bytes of @text. Return: 0 or -ENOMEM.
 */
int strlist_add_bytes(struct strlist *list, const char *text, size_t length);

/** strlist_clear() - Free every string; the list is empty and usable afterwards. */
void strlist_clear(struct strlist *list);
