/*
 * Nothing is synced: a file that a power cut left half is no XML, and libvirtd asks QEMU as if
 * there were none.
 */
#include "init/guest/qemu_cache.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* 100 kB are usual. */
#define SIZE_MAX_KEPT (4 << 20)

struct content {
	char *bytes;
	size_t n;
};

/** check() - Is it a file that nobody but us can have written? Return: 0 or -errno. */
static int check(int fd, size_t *ret_size)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	if (status.st_size > SIZE_MAX_KEPT)
		return -EFBIG;
	*ret_size = (size_t)status.st_size;
	return 0;
}

/** load() - @ret_content: its bytes are allocated. Return: 0 or -errno. */
static int load(const char *path, struct content *ret_content)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t size = 0, n = 0;
	char *bytes;
	int result = fd < 0 ? -errno : check(fd, &size);

	if (result)
		return result;
	if (size == 0)
		return -ENODATA;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	while (n < size) {
		ssize_t more = read(fd, bytes + n, size - n);

		if (more <= 0) {
			free(bytes);
			return more < 0 ? -EIO : -ENODATA;
		}
		n += (size_t)more;
	}
	*ret_content = (struct content){ bytes, n };
	return 0;
}

static void print(const void *context, FILE *out)
{
	const struct content *content = context;

	fwrite(content->bytes, 1, content->n, out);
}

static bool is_same(const struct content *content, const char *path)
{
	struct content other = { NULL, 0 };
	bool same = load(path, &other) == 0 && other.n == content->n &&
		    memcmp(other.bytes, content->bytes, other.n) == 0;

	free(other.bytes);
	return same;
}

static void copy(const char *from, const char *to)
{
	struct content content = { NULL, 0 };
	int result = load(from, &content);

	if (result == 0 && !is_same(&content, to))
		result = file_replace(to, print, &content);
	if (result)
		log_debug("what is known about QEMU is not copied from %s to %s: %s", from, to,
			  strerror(-result));
	free(content.bytes);
}

void qemu_cache_bring(const char *cache, const char *kept)
{
	const char *slash = strrchr(cache, '/');
	autofree char *directory = strndup(cache, (size_t)(slash - cache));

	if (access(cache, F_OK) == 0 || access(kept, F_OK) || !directory)
		return;
	/* libvirtd makes it when it has something to put there. */
	mkdir(directory, 0755);
	copy(kept, cache);
}

void qemu_cache_keep(const char *cache, const char *kept)
{
	copy(cache, kept);
}
