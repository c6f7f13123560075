/*
 * Understanding: INI texts through libinih, and the environment. What comes out are entries; their
 * types are config_keys.c's.
 */
#include "lib/config_entry.h"
#include "lib/util.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>

extern char **environ;

/* libinih cuts the name of a section to this length without a word. */
#define SECTION_MAX 49

/*
 * libinih tells its handler neither the line's number nor whether the line continues the one
 * before, it cuts long lines and long names of sections silently, and of the lines that it does not
 * understand it names the first: the reader that feeds it knows all that.
 */
struct source {
	struct config_loader *loader;
	const char *at, *end; /* what is left of the text */
	const char *path;
	unsigned line;
	bool continued; /* the line begins with a blank */
	bool pending;	/* the line must give a pair, and has not yet */
	unsigned n_bad; /* lines that gave none */
	size_t entry;	/* the last pair's */
};

/*
 * Before the next line is read, and at the end: the line gave a pair, or needed to give none, or
 * nobody understood it.
 */
static void end_line(struct source *source)
{
	if (source->pending) {
		config_complain(source->loader,
				"%s:%u: is neither a [section] nor a key = value line",
				source->path, source->line);
		source->n_bad++;
	}
	source->pending = false;
}

static void begin_line(struct source *source, const char *text)
{
	const char *close;

	source->line++;
	source->continued = text[0] == ' ' || text[0] == '\t';
	if (source->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3; /* a byte order mark */
	text += strspn(text, " \t\r\n\v\f");
	close = *text == '[' ? strchr(text, ']') : NULL;
	source->pending = !close && *text && !strchr(";#", *text);
	if (close && !source->continued && close - text - 1 > SECTION_MAX)
		config_complain(source->loader, "%s:%u: the section's name is longer than %d bytes",
				source->path, source->line, SECTION_MAX);
}

static char *read_line(char *buffer, int size, void *context)
{
	struct source *source = context;
	const char *newline, *next;
	size_t length;

	end_line(source);
	if (source->at == source->end || source->loader->over_limit)
		return NULL;
	newline = memchr(source->at, '\n', (size_t)(source->end - source->at));
	next = newline ? newline + 1 : source->end;
	length = (size_t)(next - source->at);
	if (length > (size_t)size - 1)
		length = (size_t)size - 1;
	memcpy(buffer, source->at, length);
	buffer[length] = '\0';
	source->at = next;
	begin_line(source, buffer);
	if (length + 1 == (size_t)size && buffer[length - 1] != '\n') {
		config_complain(source->loader,
				"%s:%u: the line is longer than %d bytes: continue it on a second, "
				"indented line",
				source->path, source->line, size - 2);
		/* Newer versions of libinih would take the next line for the rest of this one. */
		buffer[length - 1] = '\n';
	}
	return buffer;
}

static void append_to_entry(struct config_loader *loader, struct config_entry *entry,
			    const char *value)
{
	size_t length = strlen(value), needed = entry->length + 1 + length + 1;

	if (needed > entry->room) {
		char *grown = realloc(entry->value, 2 * needed);

		if (!grown) {
			loader->out_of_memory = true;
			return;
		}
		entry->value = grown;
		entry->room = 2 * needed;
	}
	entry->value[entry->length] = ' ';
	memcpy(entry->value + entry->length + 1, value, length + 1);
	entry->length += 1 + length;
}

static int handle_pair(void *context, const char *section, const char *key, const char *value)
{
	struct source *source = context;
	struct config_entry *entry = NULL;
	bool ours;

	source->pending = false;
	/* Not to search for it: a value may have a million lines. */
	if (source->continued)
		entry = config_recall_entry(source->loader->config, source->entry, section, key);
	if (entry && entry->line && streq(entry->source, source->path)) {
		append_to_entry(source->loader, entry, value);
		return 1;
	}
	/* Each is compared with all others. */
	if (source->loader->n_pairs++ == CONFIG_MAX_PAIRS) {
		config_complain(source->loader,
				"%s:%u: the configuration has more than %d keys: remove some",
				source->path, source->line, CONFIG_MAX_PAIRS);
		source->loader->over_limit = true;
		return 1;
	}
	entry = config_find_entry(source->loader->config, section, key);
	ours = entry && entry->line && streq(entry->source, source->path);
	source->entry = entry ? (size_t)(entry - source->loader->config->entries)
			      : source->loader->config->n_entries;
	if (ours && source->continued)
		append_to_entry(source->loader, entry, value);
	else if (ours)
		config_complain(source->loader,
				"%s:%u: [%s] %s is set a second time (line %u has the first)",
				source->path, source->line, section, key, entry->line);
	else
		config_set_entry(source->loader, section, key, value, source->path, source->line);
	return 1;
}

static void complain_text(struct config_loader *loader, const struct config_text *text)
{
	switch (text->error) {
	case -ENXIO: config_complain(loader, "%s: is not a regular file", text->path); break;
	case -EFBIG:
		config_complain(loader,
				"%s: is larger than %d bytes: make it shorter, forwards by means "
				"of ranges",
				text->path, CONFIG_MAX_FILE);
		loader->over_limit = true;
		break;
	case -E2BIG:
		config_complain(loader, "%s: has more than %d drop-ins: join some", text->path,
				CONFIG_MAX_DROPINS);
		loader->over_limit = true;
		break;
	case -ENOMEM: loader->out_of_memory = true; break;
	default:
		if (text->required || text->error != -ENOENT)
			config_complain(loader, "%s: cannot be read: %s", text->path,
					strerror(-text->error));
	}
}

/* Return: whether the text is to be understood. */
static bool admit(struct config_loader *loader, const struct config_text *text)
{
	if (loader->over_limit)
		return false;
	if (text->error) {
		complain_text(loader, text);
		return false;
	}
	loader->n_bytes += text->length;
	if (loader->n_bytes > CONFIG_MAX_BYTES) {
		config_complain(loader,
				"%s: is more than the rest of the %d bytes that all files may "
				"have: make them shorter",
				text->path, CONFIG_MAX_BYTES);
		loader->over_limit = true;
	}
	return !loader->over_limit;
}

bool config_take_text(void *context, const struct config_text *text)
{
	struct config_loader *loader = context;
	struct source source = {
		.loader = loader,
		.path = text->path,
		.at = text->data,
		.end = text->data + text->length,
		.entry = SIZE_MAX,
	};
	int first_bad;

	if (!admit(loader, text))
		return !loader->over_limit;
	first_bad = ini_parse_stream(read_line, &source, handle_pair, &source);
	if (first_bad > 0 && !source.n_bad)
		config_complain(loader, "%s:%d: is neither a [section] nor a key = value line",
				text->path, first_bad);
	return !loader->over_limit;
}

/*
 * CASEMENT_ + section + _ + key: letters in upper case, digits as they are, everything else an
 * underscore.
 */
static void variable_name(const char *section, const char *key, char *buffer, size_t size)
{
	snprintf(buffer, size, "CASEMENT_%s_%s", section, key);
	for (; *buffer; buffer++)
		*buffer = isalnum((unsigned char)*buffer) ? (char)toupper((unsigned char)*buffer)
							  : '_';
}

/*
 * Find the section and key that the variable names: sections are the fixed ones and those that the
 * files have.
 */
static bool take_variable(struct config_loader *loader, const char *section, const char *name,
			  const char *value)
{
	const struct config_key *key = NULL;
	enum section_kind kind;
	const char *argument;
	char variable[256];

	if (!config_section(section, &kind, &argument))
		return false;
	while ((key = config_key_next(kind, key))) {
		variable_name(section, config_key_name(key), variable, sizeof(variable));
		if (!streq(variable, name))
			continue;
		config_set_entry(loader, section, config_key_name(key), value, name, 0);
		return true;
	}
	return false;
}

void config_read_environment(struct config_loader *loader)
{
	static const char *const fixed[] = { "guest", "network", "stop", "health", "log" };

	for (char **variable = environ; *variable; variable++) {
		const char *equals = strchr(*variable, '=');
		autofree char *name = NULL;
		bool known = false;

		if (strncmp(*variable, "CASEMENT_", 9) != 0 || !equals)
			continue;
		name = strndup(*variable, (size_t)(equals - *variable));
		if (!name) {
			loader->out_of_memory = true;
			return;
		}
		for (size_t i = 0; i < ARRAY_SIZE(fixed) && !known; i++)
			known = take_variable(loader, fixed[i], name, equals + 1);
		for (size_t i = 0; i < loader->config->n_entries && !known; i++)
			known = take_variable(loader, loader->config->entries[i].section, name,
					      equals + 1);
		if (!known)
			config_complain(loader,
					"%s: no section and key have this name; `casement --keys` "
					"lists them",
					name);
	}
}
