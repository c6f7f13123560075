/*
 * The archive is read once, from its beginning to its end, and the disk in it is written as it
 * comes, without its zeros. metadata.json says which member is the disk; where it stands behind it,
 * the first big member is taken for the disk, and if that was wrong the archive is read again.
 *
 * What bounds a bomb: the metadata have a megabyte; what is neither metadata nor disk is only
 * skipped, and a gigabyte of it at most; the disk has room on the file system, or is refused before
 * it is written, and no more bytes than an image of its own virtual size can have.
 */
#include "image/box.h"

#include "image/member.h"
#include "image/metadata.h"
#include "image/sparse.h"
#include "image/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>

#define SKIP_MAX (1ULL << 30)
#define BIG_MEMBER (1 << 20)
#define TAIL_MAX (1 << 20) /* behind the end of the tar archive */

struct box {
	struct job *job;
	const struct source *source;
	const struct target *target;
	struct stream stream;
	struct archive *archive;
	struct metadata metadata;
	bool known;		      /* the metadata were read */
	bool again;		      /* this is the second reading */
	char disk[METADATA_NAME_MAX]; /* the member that was written; empty: none yet */
	struct image image;	      /* what its header says */
	uint64_t skipped;
};

static int give_up(const struct box *box, const char *name, const char *reason)
{
	return failure_set(&box->job->failure, EXIT_CONFIG, -EINVAL, "%s: %.200s in it %s",
			   box->source->name, name, reason);
}

/** explain() - Why could the archive not be read on? */
static int explain(const struct box *box)
{
	struct failure *failure = &box->job->failure;
	int error = box->stream.error;
	const char *path = box->source->name;

	if (error == JOB_STOPPED)
		return error;
	if (error == -ENODATA)
		return failure_set(failure, EXIT_CONFIG, error,
				   "%s: ends in the middle: it was not copied or downloaded to "
				   "its end, get it again",
				   path);
	if (error == -EBADMSG)
		return failure_set(failure, EXIT_CONFIG, error,
				   "%s: its compressed data are damaged: get it again", path);
	if (error)
		return failure_set(failure, EXIT_CONFIG, error, "%s: cannot be read: %s", path,
				   strerror(-error));
	return failure_set(failure, EXIT_CONFIG, -EBADMSG,
			   "%s: is no box, or a damaged one (%.100s): get it again", path,
			   archive_error_string(box->archive));
}

static la_ssize_t give_bytes(struct archive *archive, void *context, const void **ret_bytes)
{
	struct box *box = context;
	ssize_t n = stream_read(&box->stream, ret_bytes);

	if (n < 0)
		archive_set_error(archive, (int)-n, "read error");
	return n < 0 ? -1 : n;
}

static int read_metadata(struct box *box, struct archive_entry *entry)
{
	int64_t size = archive_entry_size(entry);
	autofree char *text = NULL;
	la_ssize_t n;

	if (box->again)
		return 0;
	if (box->known)
		return give_up(box, METADATA_FILE, "is there twice: the box is damaged");
	if (size > METADATA_MAX)
		return give_up(box, METADATA_FILE, "is larger than a megabyte: it is no real one");
	text = malloc((size_t)size + 1);
	if (!text)
		return give_up(box, METADATA_FILE, "does not fit into memory");
	n = archive_read_data(box->archive, text, (size_t)size);
	if (n != size)
		return explain(box);
	box->known = true;
	return metadata_parse(text, (size_t)n, box->source->name, &box->metadata,
			      &box->job->failure);
}

/** check_sizes() - Does what the header says fit what is there, and what the metadata say? */
static int check_sizes(const struct box *box, const char *name, uint64_t size)
{
	uint64_t virtual = box->image.virtual_size, stated = box->metadata.virtual_size;

	/* Tables of an image with the smallest clusters take a 32nd of it. */
	if (size > virtual && size - virtual > virtual / 32 + (16 << 20))
		return give_up(box, name,
			       "is larger than an image of its virtual size can be: it is damaged, "
			       "or a trap");
	if (box->known && stated && virtual > stated && virtual - stated > 1ULL << 30)
		return give_up(box, name,
			       "has a larger virtual size than " METADATA_FILE
			       " says: it is damaged, or a trap");
	return 0;
}

/** check_header() - As soon as it is there, and not after gigabytes. */
static int check_header(struct box *box, const char *name, uint64_t size)
{
	autofree uint8_t *head = calloc(1, IMAGE_HEAD_SIZE);
	autofree char *text = NULL;
	int result;

	/* Zeros at its end are not written yet. */
	if (!head || asprintf(&text, "%s: %s", box->source->name, name) < 0) {
		text = NULL;
		return give_up(box, name, "does not fit into memory");
	}
	if (pread(box->target->fd, head, IMAGE_HEAD_SIZE, 0) < 0)
		return give_up(box, name, "cannot be read back");
	result = source_check_qcow2(head, size < IMAGE_HEAD_SIZE ? size : IMAGE_HEAD_SIZE, size,
				    text, &box->image, &box->job->failure);
	return result ? result : check_sizes(box, name, size);
}

/** bytes_needed() - A sparse member says where its data are. */
static uint64_t bytes_needed(struct archive_entry *entry)
{
	int64_t offset, length;
	uint64_t sum = 0;

	if (archive_entry_sparse_reset(entry) == 0)
		return (uint64_t)archive_entry_size(entry);
	while (archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK)
		sum += (uint64_t)length;
	return sum;
}

static int cannot_write(const struct box *box, int error)
{
	return failure_set(&box->job->failure, EXIT_UNAVAILABLE, -error,
			   "%s: cannot be written: %s", box->target->path, strerror(error));
}

static int write_disk(struct box *box, const char *name, uint64_t size)
{
	const void *bytes;
	size_t n;
	int64_t offset;
	bool checked = false;
	int result = 0, got;

	while ((got = archive_read_data_block(box->archive, &bytes, &n, &offset)) == ARCHIVE_OK ||
	       got == ARCHIVE_WARN) {
		if (offset < 0 || (uint64_t)offset > size || n > size - (uint64_t)offset)
			return give_up(box, name, "has data behind its end: it is damaged");
		/* The header is there: nobody waits for gigabytes to hear that it is no good. */
		if (!checked && offset >= IMAGE_HEAD_SIZE)
			result = check_header(box, name, size);
		if (result)
			return result;
		checked = offset >= IMAGE_HEAD_SIZE;
		result = sparse_write(box->target->fd, bytes, n, (uint64_t)offset);
		if (result)
			return cannot_write(box, -result);
	}
	if (got != ARCHIVE_EOF)
		return explain(box);
	if (ftruncate(box->target->fd, (off_t)size))
		return cannot_write(box, errno);
	return checked ? 0 : check_header(box, name, size);
}

/** forget_disk() - What was taken for the disk is none, or is none that can be had. */
static int forget_disk(struct box *box)
{
	box->disk[0] = '\0';
	return ftruncate(box->target->fd, 0) ? cannot_write(box, errno) : 0;
}

static int read_disk(struct box *box, struct archive_entry *entry, const char *name)
{
	int64_t size = archive_entry_size(entry);
	int result = 0;

	/* A first guess that was wrong makes room for the disk itself. */
	if (box->known && box->disk[0] && !streq(box->disk, name))
		result = forget_disk(box);
	if (result)
		return result;
	if (box->disk[0])
		return give_up(box, name, "is there twice: the box is damaged");
	if (size <= 0 || strlen(name) >= sizeof(box->disk))
		return give_up(box, name, "is empty, or has an impossible name");
	result = target_room(box->target->path, bytes_needed(entry), box->source->name,
			     &box->job->failure);
	if (result)
		return result;
	snprintf(box->disk, sizeof(box->disk), "%s", name);
	return write_disk(box, name, (uint64_t)size);
}

static int skip(struct box *box)
{
	return archive_read_data_skip(box->archive) >= ARCHIVE_WARN ? 0 : explain(box);
}

/** guess_disk() - If it is one, it probably is the one; if not, nothing is wrong with the box. */
static int guess_disk(struct box *box, struct archive_entry *entry, const char *name)
{
	int result = read_disk(box, entry, name);

	if (result != -EINVAL && result != -ENOSPC)
		return result;
	result = forget_disk(box);
	return result ? result : skip(box);
}

static int read_member(struct box *box, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry), *name;
	const char *reason = member_refusal(path, archive_entry_filetype(entry),
					    archive_entry_hardlink(entry) != NULL);

	if (reason)
		return failure_set(&box->job->failure, EXIT_CONFIG, -EINVAL,
				   "%s: a member of it, %.200s, %s: a box has plain files, and "
				   "this one is not to be trusted",
				   box->source->name, path ? path : "?", reason);
	name = member_name(path);
	if (streq(name, METADATA_FILE))
		return read_metadata(box, entry);
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (box->known && streq(name, box->metadata.disk))
		return read_disk(box, entry, name);
	if (!box->known && !box->disk[0] && archive_entry_size(entry) >= BIG_MEMBER)
		return guess_disk(box, entry, name);
	box->skipped += (uint64_t)archive_entry_size(entry);
	if (box->skipped > SKIP_MAX && !box->again)
		return give_up(box, name,
			       "is no disk, and there is more than a gigabyte of such: it is no "
			       "real box, or one with several disks");
	return skip(box);
}

/** read_tail() - To the end of the file, for gzip's checksum is there. */
static int read_tail(struct box *box)
{
	const void *bytes;
	size_t sum = 0;
	ssize_t n;

	while ((n = stream_read(&box->stream, &bytes)) > 0) {
		sum += (size_t)n;
		if (sum > TAIL_MAX)
			return failure_set(&box->job->failure, EXIT_CONFIG, -EINVAL,
					   "%s: goes on behind its end: it is damaged, get it "
					   "again",
					   box->source->name);
	}
	return n < 0 ? explain(box) : 0;
}

static int read_members(struct box *box)
{
	struct archive_entry *entry;
	int result = 0, got = ARCHIVE_OK;

	while (result == 0) {
		got = archive_read_next_header(box->archive, &entry);
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			break;
		result = read_member(box, entry);
	}
	if (result)
		return result;
	return got == ARCHIVE_EOF ? read_tail(box) : explain(box);
}

/** read_box() - From its beginning to its end. */
static int read_box(struct box *box)
{
	int result;

	if (stream_open(&box->stream, box->job, box->source->fd,
			box->source->kind == SOURCE_BOX_GZIP))
		return give_up(box, "what is", "does not fit into memory");
	progress_begin(&box->job->progress, "importing", true, 0, box->source->size);
	box->archive = archive_read_new();
	if (box->archive && archive_read_support_format_tar(box->archive) == ARCHIVE_OK &&
	    archive_read_open(box->archive, box, NULL, give_bytes, NULL) == ARCHIVE_OK)
		result = read_members(box);
	else
		result = explain(box);
	archive_read_free(box->archive);
	stream_close(&box->stream);
	return result;
}

int box_extract(struct job *job, const struct source *source, const struct target *target)
{
	struct box box = { .job = job, .source = source, .target = target };
	int result = read_box(&box);

	if (result == 0 && !box.known)
		return failure_set(&job->failure, EXIT_CONFIG, -EINVAL,
				   "%s: has no " METADATA_FILE
				   ": it is no Vagrant box; if it is an archive with a disk in it, "
				   "unpack it first",
				   source->name);
	if (result == 0 && !streq(box.disk, box.metadata.disk)) {
		box.again = true;
		result = forget_disk(&box);
		if (result == 0)
			result = read_box(&box);
		if (result == 0 && !box.disk[0])
			result = give_up(&box, box.metadata.disk,
					 "should be the disk and is not there: it is damaged");
	}
	/* The metadata may have come behind the disk. */
	return result ? result : check_sizes(&box, box.disk, 0);
}
