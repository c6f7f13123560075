/* A box, or a disk, from a server. */
#pragma once

#include "image/http.h"

#include <sys/types.h>

struct pull {
	const char *what;    /* NAME/BOX or a URL */
	const char *version; /* NULL: the newest */
	const char *catalog; /* URL that NAME/BOX is looked up at; NULL: none */
	struct http_options options;
};

/**
 * pull_image() - Make @output, a qcow2 image, of it.
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled; then there is nothing new but
 * perhaps a part of the download.
 */
int pull_image(struct job *job, const struct pull *pull, const char *output, mode_t mode);
