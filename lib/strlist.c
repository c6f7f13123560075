#include "lib/strlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strlist_add_bytes(struct strlist *list, const char *text, size_t length)
{
	char **grown = reallocarray(list->item, list->n + 2, sizeof(*grown));
	char *copy;

	if (!grown)
		return -ENOMEM;
	list->item = grown;
	copy = malloc(length + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = '\0';
	list->item[list->n] = copy;
	list->item[++list->n] = NULL;
	return 0;
}

int strlist_add(struct strlist *list, const char *text)
{
	return strlist_add_bytes(list, text, strlen(text));
}

void strlist_clear(struct strlist *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->item[i]);
	free(list->item);
	*list = (struct strlist){ 0 };
}
