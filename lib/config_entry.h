/* What the configuration's source files share: entries before they have a type. */
#pragma once

#include "lib/config.h"
#include "lib/config_text.h"

struct config_entry {
	char *section;
	char *key;
	char *value;
	size_t length; /* of the value */
	size_t room;   /* that the value has, so that adding a line does not copy all before it */
	char *source;  /* file or variable */
	unsigned line; /* 0: the source is a variable */
};

/* What loading carries along; errors are counted so that one run reports all of them. */
struct config_loader {
	struct config *config;
	config_report_fn *report;
	void *context;
	unsigned n_errors;
	size_t n_bytes; /* of the files so far */
	size_t n_pairs;
	bool over_limit; /* the text is too long: what follows is not read */
	bool out_of_memory;
};

/** config_complain() - Report one mistake and count it. */
void config_complain(struct config_loader *loader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** config_find_entry() - The entry of a key, NULL when nothing set it. */
struct config_entry *config_find_entry(const struct config *config, const char *section,
				       const char *key);

/** config_recall_entry() - The entry at a place, if it is still that key's; NULL: look for it. */
struct config_entry *config_recall_entry(const struct config *config, size_t place,
					 const char *section, const char *key);

/** config_set_entry() - Add an entry, or replace the value that an earlier source gave. */
void config_set_entry(struct config_loader *loader, const char *section, const char *key,
		      const char *value, const char *source, unsigned line);

/** config_entry_place() - "file:line: [section] key" or "VARIABLE": how every message about an
 * entry begins. */
const char *config_entry_place(const struct config_entry *entry, char *buffer, size_t size);

/** config_check() - Report what only shows in the whole; if nothing was wrong, put the services
 * into their order. */
void config_check(struct config_loader *loader);

/**
 * config_check_install() - Report what does not go together in an installation; let firmware and
 * TPM suit the Windows, where nobody has set them.
 */
void config_check_install(struct config_loader *loader);

/** config_check_devices() - Report what is wrong with the [device] sections. */
void config_check_devices(struct config_loader *loader);

/** config_clear_service() - Free what a service owns. */
void config_clear_service(struct service_config *service);

/** config_take_text() - Take a file's entries; a config_text_fn() whose context is the loader. */
bool config_take_text(void *loader, const struct config_text *text);

/** config_read_environment() - Take every CASEMENT_* variable; one that names no key is a mistake.
 */
void config_read_environment(struct config_loader *loader);

/* Kinds of section: fixed ones, and those with a name behind the first word. */
enum section_kind {
	SECTION_GUEST,
	SECTION_NETWORK,
	SECTION_STOP,
	SECTION_HEALTH,
	SECTION_LOG,
	SECTION_DEVICE,
	SECTION_SERVICE
};

/** config_section() - Kind of a section and where its argument begins ("libvirtd" of "service
 * libvirtd"); false: none. */
bool config_section(const char *section, enum section_kind *ret_kind, const char **ret_argument);

struct config_key;

/** config_key_find() - The key's place in the table, or NULL. */
const struct config_key *config_key_find(enum section_kind kind, const char *key);

/** config_key_next() - The next key of a kind after @last (NULL: the first); NULL at the end. */
const struct config_key *config_key_next(enum section_kind kind, const struct config_key *last);

const char *config_key_name(const struct config_key *key);

/**
 * config_key_set() - Store @text into the structure @base that the key belongs to.
 * @report: called once for every mistake, with a sentence that begins with the value, or in a list
 * with the entry; may be NULL
 * @context: passed to @report
 *
 * A value with a mistake leaves the structure as it is, but a list empty.
 */
void config_key_set(const struct config_key *key, void *base, const char *text,
		    config_report_fn *report, void *context);

/** config_key_default() - Store the key's default, if it has one. */
void config_key_default(const struct config_key *key, void *base);

/* What becomes of a change of the key while the container runs. */
enum config_key_reload {
	KEY_RELOAD_RESTART, /* it waits for a restart */
	KEY_RELOAD_NOW,	    /* PID 1 takes it over: a matter of its policy */
	KEY_RELOAD_SERVICE, /* a service takes it over by itself */
};

enum config_key_reload config_key_reload(const struct config_key *key);

/** config_key_equal() - Is the key's value the same in two structures? */
bool config_key_equal(const struct config_key *key, const void *a, const void *b);

/** config_key_copy() - Copy the key's value; only for keys that own no memory. */
void config_key_copy(const struct config_key *key, void *to, const void *from);

/** config_key_clear() - Free what the key owns. */
void config_key_clear(const struct config_key *key, void *base);
