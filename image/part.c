#include "image/part.h"

#include "image/target.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/stat.h>

#define SUFFIX ".casement-part"
#define NOTE_SUFFIX ".casement-part.json"

static int cannot_write(const struct part *part, int error)
{
	return failure_set(&part->job->failure, EXIT_UNAVAILABLE, -error,
			   "%s: cannot be downloaded to: %s", part->path, strerror(error));
}

/** read_note() - What the part is a part of. Nothing that can be used: it is none. */
static void read_note(struct part *part)
{
	json_t *root = json_load_file(part->note, 0, NULL);
	const char *name = json_string_value(json_object_get(root, "url"));
	const char *validator = json_string_value(json_object_get(root, "validator"));
	json_int_t total = json_integer_value(json_object_get(root, "total"));

	if (name && validator && streq(name, part->name) && total >= 0 &&
	    strlen(validator) < sizeof(part->validator) && !strpbrk(validator, "\r\n")) {
		memcpy(part->validator, validator, strlen(validator) + 1);
		part->total = (uint64_t)total;
	}
	json_decref(root);
}

/**
 * write_note() - Say what is coming, before it comes.
 *
 * Not in one step: half a note is none, and then the download begins anew.
 */
static int write_note(const struct part *part)
{
	json_t *root = json_pack("{s:s, s:s, s:I}", "url", part->name, "validator", part->validator,
				 "total", (json_int_t)part->total);
	int result = root ? json_dump_file(root, part->note, JSON_INDENT(2)) : -1;

	json_decref(root);
	return result ? cannot_write(part, errno) : 0;
}

/** add_all() - Feed the checksum with what is there. */
static int add_all(struct part *part)
{
	autofree char *buffer = malloc(1 << 20);
	uint64_t at = 0;

	if (!part->checksum)
		return 0;
	progress_begin(&part->job->progress, "reading what is there", true, 0, part->have);
	while (at < part->have) {
		ssize_t n = buffer ? pread(part->fd, buffer, 1 << 20, (off_t)at) : -1;

		if (job_stopped(part->job))
			return JOB_STOPPED;
		if (n <= 0)
			return cannot_write(part, n < 0 ? errno : EIO);
		checksum_add(part->checksum, buffer, (size_t)n);
		at += (uint64_t)n;
		progress_at(&part->job->progress, at);
	}
	return 0;
}

int part_restart(struct part *part)
{
	part->have = part->total = 0;
	part->validator[0] = '\0';
	if (part->checksum)
		checksum_restart(part->checksum);
	unlink(part->note);
	return ftruncate(part->fd, 0) ? cannot_write(part, errno) : 0;
}

/** open_locked() - Nobody else may go on with it meanwhile. */
static int open_locked(struct part *part)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct stat status;
	bool locked;

	part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (part->fd < 0)
		return cannot_write(part, errno);
	locked = fcntl(part->fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
	if (fstat(part->fd, &status))
		return cannot_write(part, errno);
	/* Without a name it was somebody's who has just finished. */
	if (!locked || status.st_nlink == 0)
		return failure_set(&part->job->failure, EXIT_UNAVAILABLE, -EBUSY,
				   "%s: another casement-image downloads to it: wait for its end",
				   part->path);
	part->have = (uint64_t)status.st_size;
	return 0;
}

static void free_part(struct part *part)
{
	if (part->fd >= 0)
		close(part->fd);
	free(part->path);
	free(part->note);
}

int part_open(struct job *job, const char *output, const char *name, struct checksum *checksum,
	      struct part *ret_part)
{
	const char *file = strrchr(output, '/') + 1;
	int length = (int)(file - output), result;
	struct part part = {
		.output = output, .name = name, .fd = -1, .checksum = checksum, .job = job
	};

	if (asprintf(&part.path, "%.*s.%s" SUFFIX, length, output, file) < 0)
		return -ENOMEM;
	if (asprintf(&part.note, "%.*s.%s" NOTE_SUFFIX, length, output, file) < 0) {
		free(part.path);
		return -ENOMEM;
	}
	result = open_locked(&part);
	if (result == 0) {
		read_note(&part);
		/* Without a validator nobody knows what the bytes that are there belong to. */
		if (!part.validator[0] || (part.total && part.have > part.total))
			result = part_restart(&part);
		else
			result = add_all(&part);
	}
	if (result)
		free_part(&part);
	else
		*ret_part = part;
	return result;
}

bool part_complete(const struct part *part)
{
	return part->total && part->have == part->total;
}

/** begin_anew() - All of it comes. */
static int begin_anew(struct part *part, const struct http_reply *reply)
{
	const char *validator = reply->etag[0] ? reply->etag : reply->modified;
	int result;

	if (part->have)
		log_info("%s: has changed on the server since a part of it was downloaded, or "
			 "cannot be resumed: it is downloaded from its beginning",
			 part->name);
	result = part_restart(part);
	if (result)
		return result;
	memcpy(part->validator, validator, sizeof(part->validator));
	part->total = reply->length == UINT64_MAX ? 0 : reply->length;
	result = target_room(part->output, part->total, part->name, &part->job->failure);
	return result == 0 && part->validator[0] ? write_note(part) : result;
}

/** go_on() - The rest comes: is it of the same file? */
static int go_on(const struct part *part, const struct http_reply *reply)
{
	const char *validator = part->validator[0] == '"' ? reply->etag : reply->modified;

	if (reply->from == part->have && (!reply->total || reply->total == part->total) &&
	    (!*validator || streq(validator, part->validator)))
		return target_room(part->output, part->total - part->have, part->name,
				   &part->job->failure);
	return failure_set(&part->job->failure, EXIT_UNAVAILABLE, -ESTALE,
			   "%s: has changed on the server since a part of it was downloaded: that "
			   "part is thrown away, run it again",
			   part->name);
}

int part_begin(void *context, const struct http_reply *reply)
{
	struct part *part = context;
	int result = reply->status == 206 ? go_on(part, reply) : begin_anew(part, reply);

	if (result == 0)
		progress_begin(&part->job->progress, "downloading", true, part->have, part->total);
	return result;
}

int part_take(void *context, const void *bytes, size_t n)
{
	struct part *part = context;
	const char *at = bytes;

	if (part->checksum)
		checksum_add(part->checksum, bytes, n);
	while (n > 0) {
		ssize_t written = pwrite(part->fd, at, n, (off_t)part->have);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return cannot_write(part, errno);
		at += written;
		n -= (size_t)written;
		part->have += (uint64_t)written;
	}
	progress_at(&part->job->progress, part->have);
	return 0;
}

void part_close(struct part *part, bool keep)
{
	if (!keep || part->have == 0 || !part->validator[0]) {
		unlink(part->note);
		unlink(part->path);
	}
	free_part(part);
}
