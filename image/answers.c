/*
 * A template is a document with two additions: elements that are there under a condition, and words
 * that stand for values. Both are dealt with in libxml2's tree, so that every value is escaped by
 * the library and the result is well-formed whatever the values are.
 */
#include "image/answers.h"

#include "image/answer_values.h"
#include "lib/util.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <nettle/base64.h>

#define NAMESPACE "urn:casement:answers"
#define ADMINISTRATOR "Administrator"
#define WORD_MAX 40
#define DIGITS "0123456789"

/* What the set-up has to be told about each. */
static const struct edition {
	const char *drivers; /* directory on the drivers' CD */
	bool server;
	const char *edition; /* the usual one: a name, or a number */
	const char *key;     /* that selects it: Microsoft's public one, which activates nothing */
} editions[] = {
	[WINDOWS_OTHER] = { "", false, "1", NULL },
	[WINDOWS_10] = { "w10", false, "Windows 10 Pro", "W269N-WFGWX-YVC9B-4J6C9-T83GX" },
	[WINDOWS_11] = { "w11", false, "Windows 11 Pro", "W269N-WFGWX-YVC9B-4J6C9-T83GX" },
	/* The second one of each medium is Standard with a desktop; media differ in its name. */
	[WINDOWS_2019] = { "2k19", true, "2", NULL },
	[WINDOWS_2022] = { "2k22", true, "2", NULL },
	[WINDOWS_2025] = { "2k25", true, "2", NULL },
};

struct rendering {
	const struct guest_config *config;
	const struct edition *windows;
	const char *edition, *key; /* NULL: none */
	const char *password;
	char word[WORD_MAX]; /* that is not known */
	bool failed;	     /* out of memory, or word */
};

static bool is_administrator(const struct guest_config *config)
{
	return strcasecmp(config->user, ADMINISTRATOR) == 0;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, DIGITS) == strlen(text);
}

/** holds_word() - One condition. */
static bool holds_word(const struct rendering *rendering, const char *word)
{
	const struct guest_config *config = rendering->config;
	const struct {
		const char *name;
		bool holds;
	} conditions[] = {
		{ "bios", config->firmware == FIRMWARE_BIOS },
		{ "uefi", config->firmware != FIRMWARE_BIOS },
		{ "virtio", config->virtio_iso != NULL },
		{ "server", rendering->windows->server },
		{ "user", !is_administrator(config) },
		{ "admin", rendering->windows->server || is_administrator(config) },
		{ "index", is_number(rendering->edition) },
		{ "name", !is_number(rendering->edition) },
		{ "key", rendering->key != NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (streq(conditions[i].name, word))
			return conditions[i].holds;
	}
	return false;
}

/** prune() - Leave out what does not hold, and what is for the reader. */
static void prune(const struct rendering *rendering, xmlNode *parent)
{
	xmlNode *next;

	for (xmlNode *node = parent->children; node; node = next) {
		xmlAttr *condition = node->type == XML_ELEMENT_NODE
					     ? xmlHasNsProp(node, (const xmlChar *)"if",
							    (const xmlChar *)NAMESPACE)
					     : NULL;
		bool keep = node->type != XML_COMMENT_NODE;

		next = node->next;
		if (condition) {
			keep = holds_word(rendering, (const char *)condition->children->content);
			xmlRemoveProp(condition);
		}
		if (keep) {
			prune(rendering, node);
		} else {
			xmlUnlinkNode(node);
			xmlFreeNode(node);
		}
	}
}

/** forget_namespace() - The template's own is not declared in what is made of it. */
static void forget_namespace(xmlNode *root)
{
	for (xmlNs **at = &root->nsDef; *at; at = &(*at)->next) {
		if (streq((const char *)(*at)->href, NAMESPACE)) {
			xmlNs *gone = *at;

			*at = gone->next;
			xmlFreeNs(gone);
			return;
		}
	}
}

/**
 * hide() - The password as an element of this name has it. UTF-16 is made of UTF-8 by hand: it was
 * checked already, and iconv(3) would have to load a library for it. Allocated.
 */
static char *hide(const char *password, const char *element)
{
	autofree char *both = NULL;
	autofree uint8_t *wide = NULL;
	char *text = NULL;
	size_t n = 0;
	int length, size;

	if (asprintf(&both, "%s%s", password, element) < 0)
		return NULL;
	wide = malloc(2 * strlen(both) + 4);
	text = wide ? malloc(BASE64_ENCODE_RAW_LENGTH(2 * strlen(both) + 4) + 1) : NULL;
	length = (int)strlen(both);
	for (const char *at = both; text && *at; at += size, length -= size) {
		unsigned point;
		unsigned units[2];

		size = length;
		point = (unsigned)xmlGetUTF8Char((const xmlChar *)at, &size);
		units[0] = point < 0x10000 ? point : 0xd800 + ((point - 0x10000) >> 10);
		units[1] = 0xdc00 + ((point - 0x10000) & 0x3ff);
		for (size_t i = 0; i < (point < 0x10000 ? 1U : 2U); i++) {
			wide[n++] = (uint8_t)units[i];
			wide[n++] = (uint8_t)(units[i] >> 8);
		}
	}
	if (text) {
		base64_encode_raw(text, n, wide);
		text[BASE64_ENCODE_RAW_LENGTH(n)] = '\0';
		explicit_bzero(wide, n);
	}
	explicit_bzero(both, strlen(both));
	return text;
}

/** place() - Of the element's parent among its like, from 1 on. Allocated. */
static char *place(const xmlNode *element)
{
	unsigned n = 1;
	char *text;

	for (const xmlNode *node = element->parent->prev; node; node = node->prev)
		n += node->type == XML_ELEMENT_NODE &&
		     xmlStrEqual(node->name, element->parent->name);
	return asprintf(&text, "%u", n) < 0 ? NULL : text;
}

/** value_of() - What a word stands for; allocated, NULL: it is none, or out of memory. */
static char *value_of(const struct rendering *rendering, const char *word, const xmlNode *element)
{
	const struct guest_config *config = rendering->config;
	const struct {
		const char *name, *value;
	} values[] = {
		{ "language", config->language },
		{ "locale", config->locale ? config->locale : config->language },
		{ "time-zone", config->time_zone },
		{ "edition", rendering->edition },
		{ "product-key", rendering->key },
		{ "user", config->user },
		{ "drivers", rendering->windows->drivers },
	};

	if (strncmp(word, "password:", 9) == 0)
		return hide(rendering->password, word + 9);
	if (streq(word, "order"))
		return place(element);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (streq(values[i].name, word))
			return strdup(values[i].value);
	}
	return NULL;
}

/** find_word() - The next word between two @ in @text, or NULL; one @ is only a character. */
static const char *find_word(const char *text, char ret_word[static WORD_MAX])
{
	for (const char *at = text; (at = strchr(at, '@')); at++) {
		size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz-:AP");

		if (length > 0 && length < WORD_MAX && at[1 + length] == '@') {
			memcpy(ret_word, at + 1, length);
			ret_word[length] = '\0';
			return at;
		}
	}
	return NULL;
}

/** fill_text() - Replace the words of one text. */
static void fill_text(struct rendering *rendering, xmlNode *node)
{
	autofree char *text = strdup((const char *)node->content), *filled = NULL;
	const char *at = text, *found;
	size_t size;
	char word[WORD_MAX];
	FILE *out = text ? open_memstream(&filled, &size) : NULL;

	if (!out) {
		rendering->failed = true;
		return;
	}
	while ((found = find_word(at, word))) {
		autofree char *value = value_of(rendering, word, node->parent);

		if (!value) {
			memcpy(rendering->word, word, WORD_MAX);
			rendering->failed = true;
			break;
		}
		fprintf(out, "%.*s%s", (int)(found - at), at, value);
		at = found + strlen(word) + 2;
	}
	fputs(at, out);
	if (fclose(out))
		rendering->failed = true;
	else
		/* Of a text node it takes the text as it is. */
		xmlNodeSetContent(node, (const xmlChar *)filled);
}

/** fill() - Replace all words. */
static void fill(struct rendering *rendering, xmlNode *parent)
{
	for (xmlNode *node = parent->children; node; node = node->next) {
		if (node->type == XML_TEXT_NODE && strchr((const char *)node->content, '@'))
			fill_text(rendering, node);
		fill(rendering, node);
	}
}

/** parse() - @ret_document: to be freed. Return: 0 or -EINVAL. */
static int parse(const char *text, const char *path, xmlDoc **ret_document, struct failure *failure)
{
	xmlDoc *document = xmlReadMemory(text, (int)strlen(text), path, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlError *error = xmlGetLastError();
	const char *message = error && error->message ? error->message : "it is no XML";

	*ret_document = document;
	if (document)
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EINVAL, "%s:%d: is no answer file: %.*s", path,
			   error ? error->line : 0, (int)strcspn(message, "\n"), message);
}

int answers_check(const char *text, const char *path, struct failure *failure)
{
	xmlDoc *document;
	int result = parse(text, path, &document, failure);
	const xmlNode *root;

	if (result)
		return result;
	root = xmlDocGetRootElement(document);
	if (!streq((const char *)root->name, "unattend"))
		result = failure_set(failure, EXIT_CONFIG, -EINVAL,
				     "%s: is no answer file: it is a <%.40s>, not an <unattend>",
				     path, (const char *)root->name);
	xmlFreeDoc(document);
	return result;
}

int answers_render(const char *text, const char *path, const struct guest_config *config,
		   const char *password, char **ret_answers, struct failure *failure)
{
	const struct edition *windows = &editions[config->windows];
	struct rendering rendering = {
		.config = config,
		.windows = windows,
		.password = password,
		.edition = config->edition ? config->edition : windows->edition,
		.key = config->product_key || config->edition ? config->product_key : windows->key,
	};
	xmlDoc *document;
	int size, result = answer_values_check(config, failure);
	xmlChar *answers = NULL;

	if (result == 0)
		result = parse(text, path, &document, failure);
	if (result)
		return result;
	prune(&rendering, (xmlNode *)document);
	forget_namespace(xmlDocGetRootElement(document));
	fill(&rendering, (xmlNode *)document);
	if (!rendering.failed)
		xmlDocDumpMemoryEnc(document, &answers, &size, "utf-8");
	xmlFreeDoc(document);
	if (answers) {
		*ret_answers = (char *)answers;
		return 0;
	}
	return rendering.word[0]
		       ? failure_set(failure, EXIT_UNAVAILABLE, -EINVAL,
				     "%s: \"@%s@\" stands for nothing", path, rendering.word)
		       : failure_set(failure, EXIT_UNAVAILABLE, -ENOMEM, "out of memory");
}

void answers_free(char *answers)
{
	if (answers)
		explicit_bzero(answers, strlen(answers));
	free(answers);
}
