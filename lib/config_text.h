/*
 * The texts of the configuration, before anybody understands them: from the file system, or from a
 * copy that another process made because reading may block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct config_text {
	const char *path;
	const char *data; /* without a zero byte at its end */
	size_t length;
	/*
	 * 0, or why there is no text: -ENXIO if it is not a regular file, -EFBIG if it is larger
	 * than CONFIG_MAX_FILE, -E2BIG for a directory with more than CONFIG_MAX_DROPINS drop-ins,
	 * or -errno.
	 */
	int error;
	bool required; /* that it does not exist is a mistake */
};

/** config_text_fn() - Take a text, which is gone afterwards. Return: false if that was enough. */
typedef bool config_text_fn(void *context, const struct config_text *text);

/** config_text_file() - Pass one file to @take. Return: what it says. */
bool config_text_file(const char *path, bool required, config_text_fn *take, void *context);

/** config_text_dropins() - Pass every *.conf of a directory to @take, by name, and what is wrong
 * with the directory. */
void config_text_dropins(const char *directory, config_text_fn *take, void *context);

/**
 * config_text_all() - Pass all that config_load() reads to @take.
 * @file: this file and nothing else; NULL: the usual places
 */
void config_text_all(const char *file, config_text_fn *take, void *context);

/**
 * config_text_copy() - Write all texts into a file, for config_text_paste() in another process.
 * @file: as for config_text_all()
 *
 * Return: 0 or -errno.
 */
int config_text_copy(const char *file, int fd);

/** config_text_paste() - Pass all that was copied to @take. Return: 0, -EBADMSG if that is no whole
 * copy, or -errno. */
int config_text_paste(int fd, config_text_fn *take, void *context);
