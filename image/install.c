/*
 * In this order: what is given is looked at; the CD with the answers is made, anew at every start
 * as long as the installation lasts; the disk gets its mark and only then its name. So a disk that
 * was not installed is never without its mark, whenever somebody pulls the plug.
 */
#include "image/install.h"

#include "image/answer_cd.h"
#include "image/answers.h"
#include "image/medium.h"
#include "image/password.h"
#include "image/qemu_img.h"
#include "image/target.h"
#include "lib/image.h"
#include "lib/install_mark.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <systemd/sd-daemon.h>

/* libvirt hands both over to QEMU's user; they are nobody else's business. */
#define MODE 0600
#define ANSWERS_MAX (1 << 20)

/** check_medium() - @ret_size: of it, in bytes; may be NULL. */
static int check_medium(struct job *job, const char *path, const char *key, uint64_t *ret_size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	autofree uint8_t *head = calloc(1, IMAGE_HEAD_SIZE);
	struct stat status;
	const char *reason;
	ssize_t n;

	if (!head)
		return -ENOMEM;
	if (fd < 0 || fstat(fd, &status))
		return failure_set(&job->failure, EXIT_CONFIG, -errno,
				   "%s ([guest] %s) cannot be opened: %s", path, key,
				   strerror(errno));
	if (!S_ISREG(status.st_mode))
		return failure_set(&job->failure, EXIT_CONFIG, -EINVAL,
				   "%s ([guest] %s) is no file", path, key);
	n = pread(fd, head, IMAGE_HEAD_SIZE, 0);
	if (n < 0)
		return failure_set(&job->failure, EXIT_CONFIG, -errno,
				   "%s ([guest] %s) cannot be read: %s", path, key,
				   strerror(errno));
	reason = medium_refusal(head, (size_t)n);
	if (reason)
		return failure_set(&job->failure, EXIT_CONFIG, -EMEDIUMTYPE, "%s ([guest] %s) %s",
				   path, key, reason);
	if (ret_size)
		*ret_size = (uint64_t)status.st_size;
	return 0;
}

/** read_text() - A small file, whole. Allocated. */
static int read_text(struct job *job, const char *path, char **ret_text)
{
	autofclose FILE *file = fopen(path, "re");
	autofree char *text = calloc(1, ANSWERS_MAX + 1);
	size_t n;

	if (!text)
		return -ENOMEM;
	n = file ? fread(text, 1, ANSWERS_MAX + 1, file) : 0;
	if (!file || ferror(file))
		return failure_set(&job->failure, EXIT_CONFIG, -errno, "%s: cannot be read: %s",
				   path, strerror(errno));
	if (n > ANSWERS_MAX)
		return failure_set(&job->failure, EXIT_CONFIG, -EFBIG,
				   "%s: is too big for an answer file", path);
	*ret_text = take_ptr(text);
	return 0;
}

/** own_answers() - Those that somebody has written. */
static int own_answers(struct job *job, const char *path, char **ret_answers)
{
	char *answers = NULL;
	int result = read_text(job, path, &answers);

	if (result == 0)
		result = answers_check(answers, path, &job->failure);
	if (result)
		answers_free(answers);
	else
		*ret_answers = answers;
	return result;
}

/** our_answers() - Those that a template becomes. */
static int our_answers(struct job *job, const struct guest_config *config, const char *template,
		       char **ret_answers)
{
	char *text = NULL, *password = NULL;
	int result = password_read(config, &password, &job->failure);

	if (result == 0)
		result = read_text(job, template, &text);
	if (result == 0)
		result = answers_render(text, template, config, password, ret_answers,
					&job->failure);
	answers_free(password);
	free(text);
	return result;
}

/** find_answers() - @ret_answers: allocated; NULL when nobody asked for any. */
static int find_answers(struct job *job, const struct guest_config *config, const char *template,
			char **ret_answers)
{
	*ret_answers = NULL;
	if (config->answer_file)
		return own_answers(job, config->answer_file, ret_answers);
	if (config->windows == WINDOWS_OTHER)
		return 0;
	return our_answers(job, config, template, ret_answers);
}

/** make_answer_cd() - In the place of an earlier one. */
static int make_answer_cd(struct job *job, const char *path, const char *answers)
{
	struct target target;
	int result;

	target_sweep(path);
	if (unlink(path) && errno != ENOENT)
		return failure_set(&job->failure, EXIT_CONFIG, -errno, "%s: cannot be removed: %s",
				   path, strerror(errno));
	if (!answers)
		return 0;
	result = target_open(path, MODE, &target, &job->failure);
	if (result)
		return result;
	result = answer_cd_write(target.fd, answers, strlen(answers));
	if (result == 0)
		return target_publish(&target, &job->failure);
	target_discard(&target);
	return failure_set(&job->failure, EXIT_UNAVAILABLE, result, "%s: cannot be written: %s",
			   path, strerror(-result));
}

/** check_room() - What is installed takes as much as its medium, or more. */
static int check_room(struct job *job, const struct guest_config *config, uint64_t medium)
{
	autofree char *directory =
		strndup(config->disk, (size_t)(strrchr(config->disk, '/') + 1 - config->disk));
	int result = target_room(config->disk, medium, config->iso, &job->failure);
	struct statvfs fs;

	if (result || !directory || statvfs(directory, &fs))
		return result;
	if ((uint64_t)fs.f_bavail * fs.f_frsize < config->disk_size)
		log_warning("%s has %" PRIu64 " MiB left, and the disk may grow to %" PRIu64
			    " MiB ([guest] disk-size): the guest is paused when there is no room",
			    directory, (uint64_t)fs.f_bavail * fs.f_frsize >> 20,
			    config->disk_size >> 20);
	return 0;
}

/** make_disk() - A blank one, with its mark. */
static int make_disk(struct job *job, const struct guest_config *config)
{
	struct target target;
	struct stat status;
	int result = target_open(config->disk, MODE, &target, &job->failure);

	if (result)
		return result;
	result = qemu_img_create(job, target.temporary, config->disk_size);
	if (result == 0 && job_stopped(job))
		result = JOB_STOPPED;
	if (result == 0) {
		result = fstat(target.fd, &status)
				 ? -errno
				 : install_mark_write(config->disk, status.st_ino);
		if (result)
			failure_set(&job->failure, EXIT_UNAVAILABLE, result,
				    "%s.installing: cannot be made: %s", config->disk,
				    strerror(-result));
	}
	if (result) {
		target_discard(&target);
		return result;
	}
	return target_publish(&target, &job->failure);
}

int install_prepare(struct job *job, const struct guest_config *config, const char *template)
{
	bool begun = install_mark_holds(config->disk);
	autofree char *cd = install_answers_path(config->disk);
	char *answers = NULL;
	uint64_t medium = 0;
	int result = cd ? check_medium(job, config->iso, "iso", &medium) : -ENOMEM;

	if (result == 0 && config->virtio_iso)
		result = check_medium(job, config->virtio_iso, "virtio-iso", NULL);
	if (result == 0)
		result = find_answers(job, config, template, &answers);
	target_sweep(config->disk);
	if (result == 0 && !begun)
		result = check_room(job, config, medium);
	if (result == 0)
		result = make_answer_cd(job, cd, answers);
	if (result == 0 && !begun)
		result = make_disk(job, config);
	answers_free(answers);
	if (result)
		return result;
	sd_notifyf(0, "STATUS=%s is installed on %s", config->iso, config->disk);
	if (begun)
		log_info("%s: goes on being installed from %s", config->disk, config->iso);
	else
		log_info("%s: made, a blank disk of %" PRIu64 " MiB, to be installed from %s",
			 config->disk, config->disk_size >> 20, config->iso);
	return 0;
}
