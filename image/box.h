/* A Vagrant box for libvirt: the disk in it, straight into its place. */
#pragma once

#include "image/source.h"
#include "image/target.h"

/**
 * box_extract() - Write the box's disk into @target.
 *
 * Nothing else of it is used, and its Vagrantfile is not executed.
 *
 * Return: 0, JOB_STOPPED, or -errno with the job's failure filled.
 */
int box_extract(struct job *job, const struct source *source, const struct target *target);
