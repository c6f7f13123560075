/* What a container does before its guest starts: bring in the disk that it was given, once. */
#pragma once

#include "image/job.h"
#include "lib/config.h"

/**
 * prepare_disk() - Import [guest] source, or make ready for an installation from [guest] iso, if
 * the guest has neither a disk nor a base; or if an installation is under way.
 *
 * @template: path, for the answer file
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled.
 */
int prepare_disk(struct job *job, const struct guest_config *config, const char *template);
