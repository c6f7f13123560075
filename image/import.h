/* From a source to an image in its place. */
#pragma once

#include "image/job.h"

#include <sys/types.h>

/**
 * import_source() - Make @output, a qcow2 image, of @path.
 * @name: of the source, for messages
 * @mode: of the finished file
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled; then there is nothing new.
 */
int import_source(struct job *job, const char *path, const char *name, const char *output,
		  mode_t mode);
