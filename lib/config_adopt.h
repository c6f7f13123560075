/*
 * A configuration that was read again, against the one in force: what differs, and what of that can
 * be taken over while everything runs.
 */
#pragma once

#include "lib/config.h"

/* What becomes of a key that has changed. */
enum config_change {
	CONFIG_CHANGE_NOW,     /* it is in force */
	CONFIG_CHANGE_RESTART, /* it takes effect when the container is restarted */
	CONFIG_CHANGE_NEW,     /* a section that was not there; key is NULL */
	CONFIG_CHANGE_GONE,    /* a section that is not there any more; key is NULL */
};

/* Is told one change; @section as in the file, for instance "service libvirtd". */
typedef void config_change_fn(void *context, enum config_change change, const char *section,
			      const char *key);

/**
 * config_adopt() - Take over from @next what may change while everything runs, and report all
 * changes.
 * @config: in force; keys of PID 1's policy are replaced in place, what they point to stays
 * @next: may be freed afterwards
 *
 * Keys that a service applies by itself when it gets its reload-signal, [network] forwards for
 * instance, are neither taken over nor reported.
 */
void config_adopt(struct config *config, const struct config *next, config_change_fn *report,
		  void *context);

/* Mistakes of a configuration: how many, and the first. */
struct config_mistakes {
	size_t n;
	char first[256];
};

/** config_mistakes_note() - One more. */
void config_mistakes_note(struct config_mistakes *mistakes, const char *message);

/** config_mistakes_text() - "FIRST (and N more, see the log)" into @buffer, which is returned. */
const char *config_mistakes_text(const struct config_mistakes *mistakes, char *buffer, size_t size);
