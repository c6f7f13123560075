/* What a container does before its guest starts: import the disk that it was given, once. */
#pragma once

#include "image/job.h"
#include "lib/config.h"

/**
 * prepare_disk() - Import [guest] source if the guest has neither a disk nor a base.
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled.
 */
int prepare_disk(struct job *job, const struct guest_config *config);
