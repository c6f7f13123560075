/* What qemu-img does for an import or an installation. Each returns 0, JOB_STOPPED, or -errno with
 * the job's failure filled. */
#pragma once

#include "image/source.h"

/**
 * qemu_img_check() - Is the image @path consistent, as far as its format can tell?
 * @name: for messages
 */
int qemu_img_check(struct job *job, const char *path, const char *format, const char *name);

/** qemu_img_alone() - Does the source stand for itself, without a backing file? */
int qemu_img_alone(struct job *job, const struct source *source);

/** qemu_img_measure() - How many bytes does the source take as qcow2? */
int qemu_img_measure(struct job *job, const struct source *source, uint64_t *ret_bytes);

/** qemu_img_create() - Make a blank qcow2 of @size bytes at @path, which exists and is replaced. */
int qemu_img_create(struct job *job, const char *path, uint64_t size);

/** qemu_img_convert() - Make a qcow2 of it, at @to, which exists and is replaced. */
int qemu_img_convert(struct job *job, const struct source *source, const char *to);
