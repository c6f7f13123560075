/* What an installation from [guest] iso needs before the guest is started. */
#pragma once

#include "image/job.h"
#include "lib/config.h"

/**
 * install_prepare() - Check the media, make the CD with the answers, and the blank disk if there
 * is none.
 *
 * @template: path, for the answer file: answers.h
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled; then there is no new disk.
 */
int install_prepare(struct job *job, const struct guest_config *config, const char *template);
