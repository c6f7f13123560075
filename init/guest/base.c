/*
 * The record has a line for each image below the disk, from top to bottom: size, time of the last
 * change, mark, path.
 *
 * What decides are size and mark. The mark is a digest of the first and of the last MiB and of
 * pieces in between: 3 MiB at most, while a digest of everything would take a minute. The first MiB
 * of a qcow2 image has its header and its tables of clusters, so it changes with every cluster that
 * is added. What the mark cannot see is a change in place that hits none of the pieces; the time
 * tells of that. But the time also changes when the same image is copied again, so another time
 * alone is a warning and no refusal. Paths are for people: a base may be moved. The inode number is
 * nothing to go by: overlayfs and every new container have another one.
 */
#include "init/guest/base.h"

#include "lib/log.h"
#include "lib/publish.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define RECORD_HEAD "casement-base 1\n"
#define RECORD_MAX 16384 /* lines of paths of IMAGE_NAME_MAX */
#define END_SIZE (1U << 20)
#define PIECE_SIZE 4096U
#define N_PIECES 256U
#define TIME_SIZE 32

struct mark {
	uint64_t size;
	int64_t time; /* seconds since 1970; 0 for a block device, whose node says nothing */
	uint64_t digest;
	char path[IMAGE_NAME_MAX + 512];
};

static_assert(RECORD_MAX > sizeof(RECORD_HEAD) + (DISK_MAX_LINKS - 1) * (sizeof(struct mark) + 64),
	      "a record has room for every chain");

char *base_record_path(const char *directory, int length, const char *name)
{
	char *path;

	return asprintf(&path, "%.*s%s.base", length, directory, name) < 0 ? NULL : path;
}

/**
 * add_bytes() - FNV-1a, by words of eight bytes: no change of one word goes unseen.
 * @n: a multiple of eight
 */
static uint64_t add_bytes(uint64_t digest, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		digest = (digest ^ word) * UINT64_C(0x100000001b3);
		/* A product carries upwards only. */
		digest ^= digest >> 32;
	}
	return digest;
}

/** add_part() - Add @n bytes at @offset, or what there is of them. Return: 0 or -errno. */
static int add_part(int fd, uint64_t offset, size_t n, uint8_t *buffer, uint64_t *digest)
{
	size_t got = 0;

	memset(buffer, 0, n);
	while (got < n) {
		ssize_t more = pread(fd, buffer + got, n - got, (off_t)(offset + got));

		if (more < 0 && errno != EINTR)
			return -errno;
		if (more == 0)
			break;
		got += more > 0 ? (size_t)more : 0;
	}
	*digest = add_bytes(*digest, buffer, n);
	return 0;
}

/** piece_offset() - Where piece @i is: evenly spread, and where a file system's blocks begin. */
static uint64_t piece_offset(uint64_t size, uint64_t i)
{
	return size / N_PIECES * i / PIECE_SIZE * PIECE_SIZE;
}

static int digest_image(int fd, uint64_t size, uint64_t *ret_digest)
{
	autofree uint8_t *buffer = malloc(END_SIZE);
	uint64_t digest = UINT64_C(0xcbf29ce484222325);
	int result = buffer ? 0 : -ENOMEM;

	/* So that a slow disk gets them all at once, in its own order. */
	for (uint64_t i = 0; i < N_PIECES; i++)
		posix_fadvise(fd, (off_t)piece_offset(size, i), PIECE_SIZE, POSIX_FADV_WILLNEED);
	if (result == 0)
		result = add_part(fd, 0, END_SIZE, buffer, &digest);
	for (uint64_t i = 0; i < N_PIECES && result == 0; i++)
		result = add_part(fd, piece_offset(size, i), PIECE_SIZE, buffer, &digest);
	if (result == 0)
		result = add_part(fd, size > END_SIZE ? size - END_SIZE : 0, END_SIZE, buffer,
				  &digest);
	if (result == 0)
		*ret_digest = digest;
	return result;
}

int base_digest(const struct disk_link *link, uint64_t *ret_digest)
{
	autoclose int fd = open(link->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : digest_image(fd, link->size, ret_digest);
}

/** make_mark() - Of an image as it is now. Return: 0 or -errno. */
static int make_mark(const struct disk_link *link, struct mark *ret_mark)
{
	struct mark mark = { .size = link->size };
	struct stat status = { .st_size = 0 };
	int result = stat(link->path, &status) ? -errno : 0;

	if (result == 0)
		result = base_digest(link, &mark.digest);
	if (result)
		return result;
	mark.time = link->block ? 0 : (int64_t)status.st_mtim.tv_sec;
	snprintf(mark.path, sizeof(mark.path), "%s", link->path);
	/* It ends with the line. */
	for (char *at = mark.path; *at; at++) {
		if (*at == '\n')
			*at = '?';
	}
	*ret_mark = mark;
	return 0;
}

/** read_record() - Return: 0, -ENOENT, or -errno. */
static int read_record(const char *path, char text[static RECORD_MAX])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, RECORD_MAX - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/** parse_record() - Return: 0 or -EBADMSG. */
static int parse_record(const char *text, struct mark marks[static DISK_MAX_LINKS], size_t *ret_n)
{
	size_t n = 0;

	if (strncmp(text, RECORD_HEAD, sizeof(RECORD_HEAD) - 1) != 0)
		return -EBADMSG;
	for (text += sizeof(RECORD_HEAD) - 1; *text; text++) {
		size_t length = strcspn(text, "\n");
		struct mark mark = { .size = 0 };
		int path = 0;

		if (n == DISK_MAX_LINKS || text[length] != '\n' ||
		    sscanf(text, "%" SCNu64 " %" SCNd64 " %" SCNx64 " %n", &mark.size, &mark.time,
			   &mark.digest, &path) != 3 ||
		    (size_t)path >= length || length - (size_t)path >= sizeof(mark.path))
			return -EBADMSG;
		memcpy(mark.path, text + path, length - (size_t)path);
		marks[n++] = mark;
		text += length;
	}
	*ret_n = n;
	return n ? 0 : -EBADMSG;
}

/** write_record() - In place of the one that is there, if any. Return: 0 or -errno. */
static int write_record(const char *path, const struct mark *marks, size_t n)
{
	autofree char *temporary = NULL;
	int result = publish_temporary(path, &temporary);
	FILE *file = result ? NULL : fopen(temporary, "we");

	if (result)
		return result;
	if (!file) {
		result = -errno;
		unlink(temporary);
		return result;
	}
	fputs(RECORD_HEAD, file);
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%" PRIu64 " %" PRId64 " %016" PRIx64 " %s\n", marks[i].size,
			marks[i].time, marks[i].digest, marks[i].path);
	/* Whatever failed before left its mark, or fails again here. */
	result = ferror(file) || fflush(file) ? -ENOSPC : 0;
	if (fclose(file) && result == 0)
		result = -errno;
	if (result) {
		unlink(temporary);
		return result;
	}
	return publish_over(temporary, path);
}

static void keep_record(const char *path, const struct mark *marks, size_t n)
{
	int result = write_record(path, marks, n);

	if (result)
		log_warning("what the disk is based on cannot be recorded in %s: %s; a base that "
			    "changes may go unnoticed",
			    path, strerror(-result));
}

/** print_time() - As people read it. */
static const char *print_time(int64_t time, char ret_text[static TIME_SIZE])
{
	const time_t seconds = (time_t)time;
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) ||
	    strftime(ret_text, TIME_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		snprintf(ret_text, TIME_SIZE, "%" PRId64, time);
	return ret_text;
}

/** compare() - What another base is. Return: 0 or -ESTALE. */
static int compare(const char *record, const char *disk, const struct mark *was,
		   const struct mark *is, struct failure *failure)
{
	char before[TIME_SIZE], now[TIME_SIZE];

	if (was->size == is->size && was->digest == is->digest)
		return 0;
	return failure_set(
		failure, EXIT_CONFIG, -ESTALE,
		"the disk %.160s is an overlay on %.160s, which is not the image that it was made "
		"on: that had %llu bytes, the mark %016llx, and was last changed on %s; this one "
		"has "
		"%llu bytes, the mark %016llx, and was last changed on %s; the guest would find a "
		"mixture of the two: put the old one back, or begin with a new disk; if they "
		"belong "
		"together all the same, remove %.160s",
		disk, is->path, (unsigned long long)was->size, (unsigned long long)was->digest,
		print_time(was->time, before), (unsigned long long)is->size,
		(unsigned long long)is->digest, print_time(is->time, now), record);
}

/** compare_all() - Return: 0 or -ESTALE. */
static int compare_all(const char *record, const struct disk *disk, const struct mark *was,
		       size_t n_was, const struct mark *is, struct failure *failure)
{
	size_t n_is = disk->n - 1;

	for (size_t i = 0; i < n_was && i < n_is; i++) {
		int result = compare(record, disk->links[0].path, &was[i], &is[i], failure);

		if (result)
			return result;
	}
	if (n_was != n_is)
		return failure_set(
			failure, EXIT_CONFIG, -ESTALE,
			"the disk %s had %zu images below it and has %zu now: put the old ones "
			"back; if they belong together all the same, remove %s",
			disk->links[0].path, n_was, n_is, record);
	for (size_t i = 0; i < n_is; i++) {
		char before[TIME_SIZE], now[TIME_SIZE];

		if (was[i].time != is[i].time)
			log_warning("the base %s was last changed on %s, and on %s when it was "
				    "recorded; size and samples are the same, so it is taken for a "
				    "copy: if somebody wrote to it, put the old one back",
				    is[i].path, print_time(is[i].time, now),
				    print_time(was[i].time, before));
		if (!streq(was[i].path, is[i].path))
			log_info("the base %s was moved to %s", was[i].path, is[i].path);
	}
	return 0;
}

/** same() - Is there nothing new to record? */
static bool same(const struct mark *was, size_t n_was, const struct mark *is, size_t n_is)
{
	bool equal = n_was == n_is;

	for (size_t i = 0; i < n_is && equal; i++)
		equal = was[i].time == is[i].time && streq(was[i].path, is[i].path);
	return equal;
}

int base_check(const char *record, const struct disk *disk, struct failure *failure)
{
	autofree struct mark *is = calloc(2UL * DISK_MAX_LINKS, sizeof(*is));
	struct mark *was = is ? is + DISK_MAX_LINKS : NULL;
	char text[RECORD_MAX] = "";
	size_t n = disk->n - 1, n_was;
	int result;

	if (n == 0)
		return 0;
	if (!is)
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		result = make_mark(&disk->links[i + 1], &is[i]);
		if (result)
			return failure_set(failure, EXIT_CONFIG, result,
					   "the base %s cannot be read: %s",
					   disk->links[i + 1].path, strerror(-result));
	}
	result = read_record(record, text);
	if (result == -ENOENT) {
		log_info("the disk %s is an overlay on %s: recorded in %s", disk->links[0].path,
			 is[0].path, record);
		keep_record(record, is, n);
		return 0;
	}
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s, which has what the disk is based on, cannot be read: %s",
				   record, strerror(-result));
	if (parse_record(text, was, &n_was))
		return failure_set(failure, EXIT_CONFIG, -EBADMSG,
				   "%s is damaged, or of another casement; remove it if what the "
				   "disk is based on has not changed",
				   record);
	result = compare_all(record, disk, was, n_was, is, failure);
	if (result == 0 && !same(was, n_was, is, n))
		keep_record(record, is, n);
	return result;
}
