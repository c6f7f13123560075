/*
 * The values of the keys, by their types: stored from text, compared, copied, freed.
 */
#include "lib/config_key.h"
#include "lib/log.h"
#include "lib/ports.h"
#include "lib/processors.h"
#include "lib/util.h"
#include "lib/value.h"

#include <errno.h>

#define DISK_SIZE_MIN (UINT64_C(1) << 30)
#define DISK_SIZE_MAX (UINT64_C(64) << 40)

/* In the order of the level's choices. */
static const unsigned levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
				   LOG_LEVEL_DEBUG };

/*
 * With a mistake the list is empty: what it would say about other keys is not known. Return: NULL,
 * also after mistakes were reported, or why nothing could be read.
 */
static const char *set_ports(const struct config_key *key, struct network_config *network,
			     const char *text, config_report_fn *report, void *context)
{
	bool is_keep = key->type == KEY_PORTS;
	struct forward **field = is_keep ? &network->keep : &network->forwards, *list = NULL;
	size_t n = 0;
	int result = is_keep ? ports_parse(text, report, context, &list, &n)
			     : forwards_parse(text, report, context, &list, &n);

	free(*field);
	*field = list;
	*(is_keep ? &network->n_keep : &network->n_forwards) = n;
	return result == -ENOMEM ? "does not fit into memory" : NULL;
}

static const char *set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return "does not fit into memory";
	free(*field);
	*field = copy;
	return NULL;
}

static const char *set_unsigned(const struct config_key *key, unsigned *field, const char *text,
				char *reason, size_t size)
{
	if (!value_unsigned(text, key->min, key->max, field))
		return NULL;
	snprintf(reason, size, "is not a number from %u to %u", key->min, key->max);
	return reason;
}

static const char *set_duration(const struct config_key *key, unsigned *field, const char *text,
				char *reason, size_t size)
{
	unsigned value;
	const char *error = value_duration(text, &value);

	if (error)
		return error;
	if (key->max && value < key->min) {
		snprintf(reason, size, "is shorter than %u ms", key->min);
		return reason;
	}
	*field = value;
	return NULL;
}

/* Of a disk: less is no use, more is a mistake. */
static const char *set_size(uint64_t *field, const char *text)
{
	uint64_t value = 0;
	const char *error = value_size(text, &value);

	if (error)
		return error;
	if (value < DISK_SIZE_MIN || value > DISK_SIZE_MAX)
		return "is not from 1G to 64T";
	*field = value;
	return NULL;
}

static const char *set_choice(const struct config_key *key, unsigned *field, const char *text,
			      char *reason, size_t size)
{
	size_t length = 0;
	unsigned index;

	if (!value_choice(text, key->choices, &index)) {
		*field = key->type == KEY_LEVEL ? levels[index] : index;
		return NULL;
	}
	for (size_t i = 0; key->choices[i] && length < size; i++)
		length += (size_t)snprintf(reason + length, size - length, "%s%s",
					   i ? ", " : "is none of: ", key->choices[i]);
	return reason;
}

static const char *set_list(const struct config_key *key, struct strlist *field, const char *text)
{
	struct strlist list = { 0 };
	const char *error =
		key->type == KEY_WORDS ? value_words(text, &list) : value_command(text, &list);

	/*
	 * An empty list is how a later file takes back what an earlier one said; a service without
	 * exec is found later.
	 */
	if (error && !(key->type == KEY_COMMAND && !*text)) {
		strlist_clear(&list);
		return error;
	}
	strlist_clear(field);
	*field = list;
	return NULL;
}

/* A switch, or the size of a page. */
static const char *set_hugepages(uint64_t *field, const char *text)
{
	uint64_t bytes;
	bool on;

	if (!value_bool(text, &on)) {
		*field = on ? HUGEPAGES_USUAL : 0;
		return NULL;
	}
	if (value_size(text, &bytes) || bytes < 1U << 16 || bytes & (bytes - 1))
		return "is neither yes nor no nor the size of a huge page such as 2M or 1G";
	*field = bytes;
	return NULL;
}

/* One value, with at most one mistake. Return: NULL, or why not. */
static const char *set_value(const struct config_key *key, void *base, const char *text,
			     char *reason, size_t size)
{
	void *field = (char *)base + key->offset;

	/* What has no default can be unset again. */
	if (!*text && !key->fallback && (key->type == KEY_TEXT || key->type == KEY_PATH)) {
		free(*(char **)field);
		*(char **)field = NULL;
		return NULL;
	}
	if (!*text && !key->fallback && key->type == KEY_SIGNAL) {
		*(int *)field = 0;
		return NULL;
	}
	if (!*text && key->type == KEY_PROCESSORS) {
		CPU_ZERO((cpu_set_t *)field);
		return NULL;
	}
	switch (key->type) {
	case KEY_TEXT: return *text ? set_text(field, text) : "is empty";
	case KEY_PATH: return value_path(text) ? value_path(text) : set_text(field, text);
	case KEY_BOOL: return value_bool(text, field);
	case KEY_UNSIGNED: return set_unsigned(key, field, text, reason, size);
	case KEY_DURATION: return set_duration(key, field, text, reason, size);
	case KEY_SIZE: return set_size(field, text);
	case KEY_MEMORY: return memory_choice_parse(text, field);
	case KEY_CPUS: return cpus_choice_parse(text, field);
	case KEY_HUGEPAGES: return set_hugepages(field, text);
	case KEY_PROCESSORS: return processors_parse(text, field);
	case KEY_CHOICE:
	case KEY_LEVEL: return set_choice(key, field, text, reason, size);
	case KEY_SIGNAL: return value_signal(text, field);
	case KEY_MODE: return value_mode(text, field);
	case KEY_CODES: return value_codes(text, field);
	case KEY_OOM: return value_oom_score(text, field);
	case KEY_LIMITS: return limits_parse(text, field);
	case KEY_FORWARDS:
	case KEY_PORTS: break; /* lists, with any number of mistakes */
	case KEY_ADDRESS: return value_address(text, field);
	case KEY_SUBNET: return value_subnet(text, field);
	case KEY_MAC: return value_mac(text, field);
	case KEY_PROBE: return probe_choice_parse(text, field);
	case KEY_WORDS:
	case KEY_COMMAND: return set_list(key, field, text);
	}
	return "has a type that nobody reads";
}

void config_key_set(const struct config_key *key, void *base, const char *text,
		    config_report_fn *report, void *context)
{
	char reason[256] = "", message[512];
	const char *error;

	if (key->type == KEY_FORWARDS || key->type == KEY_PORTS)
		error = set_ports(key, base, text, report, context);
	else
		error = set_value(key, base, text, reason, sizeof(reason));
	if (!error || !report)
		return;
	snprintf(message, sizeof(message), "\"%.200s\" %s", text, error);
	report(context, message);
}

void config_key_default(const struct config_key *key, void *base)
{
	if (key->fallback)
		config_key_set(key, base, key->fallback, NULL, NULL);
}

void config_key_clear(const struct config_key *key, void *base)
{
	void *field = (char *)base + key->offset;

	if (key->type == KEY_TEXT || key->type == KEY_PATH || key->type == KEY_FORWARDS ||
	    key->type == KEY_PORTS)
		free(*(void **)field);
	else if (key->type == KEY_WORDS || key->type == KEY_COMMAND)
		strlist_clear(field);
}

/* Bytes of a value that owns no memory and has no gaps; 0 for the others. */
static size_t plain_size(enum key_type type)
{
	switch (type) {
	case KEY_BOOL: return sizeof(bool);
	case KEY_UNSIGNED:
	case KEY_CPUS:
	case KEY_DURATION:
	case KEY_CHOICE:
	case KEY_LEVEL: return sizeof(unsigned);
	case KEY_SIZE: return sizeof(uint64_t);
	case KEY_MEMORY: return sizeof(struct memory_choice);
	case KEY_HUGEPAGES: return sizeof(uint64_t);
	case KEY_PROCESSORS: return sizeof(cpu_set_t);
	case KEY_SIGNAL:
	case KEY_OOM: return sizeof(int);
	case KEY_MODE: return sizeof(mode_t);
	case KEY_LIMITS: return sizeof(struct limits);
	case KEY_CODES: return sizeof(((struct service_config *)NULL)->final_codes);
	case KEY_ADDRESS: return sizeof(struct in_addr);
	case KEY_MAC: return sizeof(((struct guest_config *)NULL)->mac);
	case KEY_PROBE: return sizeof(struct probe_choice);
	case KEY_TEXT:
	case KEY_PATH:
	case KEY_FORWARDS:
	case KEY_PORTS:
	case KEY_SUBNET:
	case KEY_WORDS:
	case KEY_COMMAND: break;
	}
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

static bool same_list(const struct strlist *a, const struct strlist *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = streq(a->item[i], b->item[i]);
	return same;
}

static bool same_subnet(const struct subnet *a, const struct subnet *b)
{
	return a->fixed == b->fixed && a->prefix == b->prefix &&
	       a->address.s_addr == b->address.s_addr;
}

bool config_key_equal(const struct config_key *key, const void *a, const void *b)
{
	const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
	size_t size = plain_size(key->type);

	if (size)
		return memcmp(x, y, size) == 0;
	if (key->type == KEY_TEXT || key->type == KEY_PATH)
		return same_text(*(char *const *)x, *(char *const *)y);
	if (key->type == KEY_WORDS || key->type == KEY_COMMAND)
		return same_list(x, y);
	if (key->type == KEY_SUBNET)
		return same_subnet(x, y);
	/* Lists of forwards are a service's own business. */
	return false;
}

void config_key_copy(const struct config_key *key, void *to, const void *from)
{
	memcpy((char *)to + key->offset, (const char *)from + key->offset, plain_size(key->type));
}
