#include "image/import.h"

#include "image/box.h"
#include "image/qemu_img.h"
#include "image/source.h"
#include "image/sparse.h"
#include "image/target.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define COPY_SIZE (1 << 20)

/** copy_data() - Copy [@from, @to) of the source. */
static int copy_data(struct job *job, const struct source *source, const struct target *target,
		     uint8_t *buffer, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t wanted = to - from < COPY_SIZE ? (size_t)(to - from) : COPY_SIZE;
		ssize_t n = pread(source->fd, buffer, wanted, (off_t)from);
		int result;

		if (job_stopped(job))
			return JOB_STOPPED;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		result = sparse_write(target->fd, buffer, (size_t)n, from);
		if (result)
			return result;
		from += (uint64_t)n;
		progress_at(&job->progress, from);
	}
	return 0;
}

/** copy_all() - What is not a hole. */
static int copy_all(struct job *job, const struct source *source, const struct target *target)
{
	autofree uint8_t *buffer = malloc(COPY_SIZE);
	off_t at = 0, size = (off_t)source->size;
	int result = buffer ? 0 : -ENOMEM;

	while (result == 0 && at < size) {
		off_t begin = lseek(source->fd, at, SEEK_DATA), end;

		if (begin < 0 && errno == ENXIO)
			break;
		begin = begin < 0 ? at : begin;
		end = lseek(source->fd, begin, SEEK_HOLE);
		at = end < 0 ? size : end;
		result = copy_data(job, source, target, buffer, (uint64_t)begin, (uint64_t)at);
	}
	if (result == 0 && ftruncate(target->fd, size))
		result = -errno;
	return result;
}

static int import_qcow2(struct job *job, const struct source *source, const struct target *target)
{
	autofree uint8_t *head = malloc(IMAGE_HEAD_SIZE);
	ssize_t n = head ? pread(source->fd, head, IMAGE_HEAD_SIZE, 0) : -1;
	struct image image;
	struct stat status;
	int result;

	if (n < 0 || fstat(source->fd, &status))
		return failure_set(&job->failure, EXIT_CONFIG, -errno, "%s: cannot be read: %s",
				   source->name, strerror(errno));
	result = source_check_qcow2(head, (size_t)n, source->size, source->name, &image,
				    &job->failure);
	if (result)
		return result;
	/* Some file systems share the blocks of both until one of them is written. */
	if (ioctl(target->fd, FICLONE, source->fd) == 0)
		return 0;
	result = target_room(target->path, (uint64_t)status.st_blocks * 512, source->name,
			     &job->failure);
	if (result)
		return result;
	progress_begin(&job->progress, "importing", true, 0, source->size);
	result = copy_all(job, source, target);
	if (result && result != JOB_STOPPED)
		failure_set(&job->failure, EXIT_UNAVAILABLE, result,
			    "%s: cannot be copied to %s: %s", source->name, target->path,
			    strerror(-result));
	return result;
}

static int import_foreign(struct job *job, const struct source *source, const struct target *target)
{
	uint64_t bytes = 0;
	int result = qemu_img_alone(job, source);

	/* What is missing at the end of a truncated one would be zeros to qemu-img convert. */
	if (result == 0)
		result = qemu_img_check(job, source->path, source->format, source->name);
	if (result == 0)
		result = qemu_img_measure(job, source, &bytes);
	if (result == 0)
		result = target_room(target->path, bytes, source->name, &job->failure);
	if (result)
		return result;
	progress_begin(&job->progress, "converting", true, 0, bytes);
	return qemu_img_convert(job, source, target->temporary);
}

static int import_into(struct job *job, const struct source *source, const struct target *target)
{
	switch (source->kind) {
	case SOURCE_BOX:
	case SOURCE_BOX_GZIP: return box_extract(job, source, target);
	case SOURCE_QCOW2: return import_qcow2(job, source, target);
	case SOURCE_FOREIGN: break;
	}
	return import_foreign(job, source, target);
}

/** finish() - Check the image, and give it its name. @target is done with. */
static int finish(struct job *job, const struct source *source, struct target *target)
{
	int result;

	progress_begin(&job->progress, "checking", false, 0, 0);
	result = qemu_img_check(job, target->temporary, "qcow2", source->name);
	if (result == 0 && job_stopped(job))
		result = JOB_STOPPED;
	if (result) {
		target_discard(target);
		return result;
	}
	progress_begin(&job->progress, "writing it to the disk for good", false, 0, 0);
	return target_publish(target, &job->failure);
}

int import_source(struct job *job, const char *path, const char *name, const char *output,
		  mode_t mode)
{
	int64_t begin = now_ms();
	struct source source;
	struct target target;
	struct stat status;
	int result = target_free(output, &job->failure);

	target_sweep(output);
	if (result == 0)
		result = source_open(path, name, &source, &job->failure);
	if (result)
		return result;
	result = target_open(output, mode, &target, &job->failure);
	if (result == 0) {
		result = import_into(job, &source, &target);
		if (result)
			target_discard(&target);
		else
			result = finish(job, &source, &target);
	}
	progress_end(&job->progress);
	source_close(&source);
	if (result == 0)
		sd_notifyf(0, "STATUS=made of %s", name);
	if (result == 0 && stat(output, &status) == 0)
		log_info("%s: made of %s in %.1f s, %" PRIu64 " MiB on the disk", output, name,
			 (double)(now_ms() - begin) / 1000, (uint64_t)status.st_blocks >> 11);
	return result;
}
