/*
 * Reader of the chain of images below a disk.
 *
 * libvirt is told the whole chain, so that it neither opens nor changes the owner of what is only
 * read; so it is read here, from the headers, which costs microseconds where qemu-img would cost a
 * fork and an exec.
 */
#include "init/guest/disk.h"

#include "init/guest/access.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Big enough for O_DIRECT on every device. */
#define DIRECT_ALIGNMENT 4096

/* The link that is being looked at, for messages. */
struct look {
	const char *path;
	const char *what; /* "the disk", "the base image" */
	const char *key;  /* what names it */
	bool writable;
	bool own; /* the guest's own, which may become an overlay on another one */
	struct failure *failure;
};

/** refuse() - Say what is wrong with the link. Return: @result. */
static int refuse(const struct look *look, int result, const char *format, ...) PRINTF_LIKE(3, 4);

static int refuse(const struct look *look, int result, const char *format, ...)
{
	char text[768];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	failure_set(look->failure, EXIT_CONFIG, result, "%s %s (%s) %s", look->what, look->path,
		    look->key, text);
	return result;
}

/** explain_open() - Say why an image could not be opened, and what helps. */
static int explain_open(const struct look *look, int error)
{
	switch (error) {
	case EROFS:
		if (!look->own)
			return refuse(
				look, -error,
				"is mounted read-only: mount it without :ro, or set read-only "
				"= yes in its section");
		return refuse(
			look, -error,
			"is mounted read-only, but a guest writes to its disk: mount it without "
			":ro, or mount it as the base /images/windows.qcow2 and let the guest "
			"write to an overlay");
	case ENOENT:
		/* Another code: -ENOENT says that there is no disk at all. */
		return refuse(
			look, -ENOLINK,
			"does not exist: mount it where it was when the overlay on it was made");
	case EACCES:
	case EPERM:
		return refuse(look, -error, "may not be opened for %s: %s; check its permissions",
			      look->writable ? "writing" : "reading", strerror(error));
	default: return refuse(look, -error, "cannot be opened: %s", strerror(error));
	}
}

static int get_size(int fd, const struct look *look, bool *ret_block, uint64_t *ret_size)
{
	struct stat status;

	if (fstat(fd, &status))
		return refuse(look, -errno, "cannot be examined: %s", strerror(errno));
	if (S_ISREG(status.st_mode)) {
		/* Root may; QEMU's user, whom libvirt makes the owner, may not. */
		if (look->writable && !(status.st_mode & S_IWUSR))
			return refuse(look, -EACCES,
				      "may not be written by its owner, whom QEMU runs as: let it "
				      "(chmod u+w), or use it as a base");
		*ret_size = (uint64_t)status.st_size;
		*ret_block = false;
		return 0;
	}
	if (!S_ISBLK(status.st_mode))
		return refuse(look, -EINVAL, "is %s, not a disk image",
			      S_ISDIR(status.st_mode) ? "a directory" : "a special file");
	*ret_block = true;
	if (ioctl(fd, BLKGETSIZE64, ret_size))
		return refuse(look, -errno, "does not tell its size: %s", strerror(errno));
	return 0;
}

/**
 * can_direct() - Does the file system let files be read past its cache? Some say so only when it is
 * tried.
 */
static bool can_direct(const char *path, uint64_t size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	autofree void *buffer = NULL;

	if (fd < 0 || posix_memalign(&buffer, DIRECT_ALIGNMENT, DIRECT_ALIGNMENT))
		return false;
	return size < DIRECT_ALIGNMENT ||
	       pread(fd, buffer, DIRECT_ALIGNMENT, 0) == DIRECT_ALIGNMENT;
}

/** is_importable() - Can casement-image make a disk of what is none? */
static bool is_importable(const uint8_t *head, size_t n)
{
	switch (image_kind(head, n)) {
	case IMAGE_KIND_VMDK:
	case IMAGE_KIND_VHDX:
	case IMAGE_KIND_VHD:
	case IMAGE_KIND_VDI:
	case IMAGE_KIND_GZIP:
	case IMAGE_KIND_TAR:
	case IMAGE_KIND_UNKNOWN: return true; /* a fixed VHD */
	case IMAGE_KIND_QCOW2:
	case IMAGE_KIND_VMDK_TEXT:
	case IMAGE_KIND_ISO:
	case IMAGE_KIND_OTHER: break;
	}
	return false;
}

/** identify() - image_identify() of an open file, of which @head has the first @n bytes. */
static int identify(int fd, const uint8_t *head, size_t n, uint64_t size, struct image *ret_image,
		    const char **ret_reason)
{
	uint8_t tail[IMAGE_TAIL_SIZE];
	int result = image_identify(head, n, size, ret_image, ret_reason);

	if (result || ret_image->format != IMAGE_RAW || size < sizeof(tail))
		return result;
	if (pread(fd, tail, sizeof(tail), (off_t)(size - sizeof(tail))) != sizeof(tail)) {
		*ret_reason = "cannot be read to its end";
		return -EIO;
	}
	return image_check_tail(tail, ret_reason);
}

/** look_at() - Open one image and read its header. */
static int look_at(const struct look *look, struct disk *disk, struct image *ret_image)
{
	struct disk_link *link = &disk->links[disk->n];
	/* O_NONBLOCK: a FIFO in its place is refused, not waited for. */
	autoclose int fd = open(look->path, (look->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
						    O_NONBLOCK | O_NOCTTY);
	autofree uint8_t *head = malloc(IMAGE_HEAD_SIZE);
	const char *reason;
	uint64_t size = 0;
	ssize_t n;
	int result;

	if (fd < 0)
		return errno == ENOENT && disk->n == 0 ? -ENOENT : explain_open(look, errno);
	if (!head)
		return refuse(look, -ENOMEM, "cannot be read: out of memory");
	result = get_size(fd, look, &link->block, &size);
	if (result)
		return result;
	n = pread(fd, head, IMAGE_HEAD_SIZE, 0);
	if (n < 0)
		return refuse(look, -errno, "cannot be read: %s", strerror(errno));
	result = identify(fd, head, (size_t)n, size, ret_image, &reason);
	if (result == -EMEDIUMTYPE && streq(look->key, "[guest] source") &&
	    is_importable(head, (size_t)n))
		return refuse(look, result,
			      "is neither qcow2 nor raw, so it cannot be used in place: without "
			      "[guest] in-place it is imported");
	if (result)
		return refuse(look, result, "%s", reason);
	result = access_as(QEMU_USER, look->path, look->writable ? ACCESS_REACH : ACCESS_READ);
	if (result)
		return refuse(look, result,
			      "%s for the user " QEMU_USER ", whom QEMU runs as: %s; %s",
			      look->writable ? "is out of reach" : "cannot be read",
			      strerror(-result),
			      look->writable ? "let everybody search its directory (chmod o+x)"
					     : "let everybody read it (chmod o+r)");
	link->format = ret_image->format;
	link->size = size;
	disk->direct = disk->direct && can_direct(look->path, size);
	return 0;
}

/** find_backing() - The path of what @image at @path is based on, as QEMU would find it. */
static int find_backing(const struct look *look, const struct image *image, char **ret_path)
{
	const char *name = image->backing, *slash = strrchr(look->path, '/');
	int result;

	if (strncmp(name, "file:", 5) == 0)
		name += 5;
	else if (strncmp(name, "json:", 5) == 0 || strstr(name, "://"))
		return refuse(look, -EINVAL, "is an overlay on '%s', which is no file", name);
	if (name[0] == '/')
		result = asprintf(ret_path, "%s", name);
	else
		result = asprintf(ret_path, "%.*s/%s", (int)(slash - look->path), look->path, name);
	if (result < 0) {
		*ret_path = NULL;
		return refuse(look, -ENOMEM, "cannot be read: out of memory");
	}
	return 0;
}

/** follow() - Add @path and everything below it to @disk. */
static int follow(struct look *look, struct disk *disk)
{
	int expected = -1;

	for (;;) {
		struct image image = { 0 };
		char *below = NULL;
		int result = look_at(look, disk, &image);

		if (result)
			return result;
		if (expected >= 0 && image.format != (enum image_format)expected)
			return refuse(look, -EINVAL, "is %s, but the overlay on it says %s",
				      image_format_name(image.format),
				      image_format_name((enum image_format)expected));
		if (disk->n++ == 0)
			disk->virtual_size = image.virtual_size;
		if (image.format != IMAGE_QCOW2 || !image.backing[0])
			return 0;
		if (disk->n == DISK_MAX_LINKS)
			return refuse(look, -ELOOP, "has more than %d images below it",
				      DISK_MAX_LINKS - 1);
		result = find_backing(look, &image, &below);
		if (result || !below)
			return result;
		disk->links[disk->n].path = below;
		expected = image.backing_format;
		*look = (struct look){ below,	  "the image below the disk,",
				       look->key, false,
				       look->own, look->failure };
	}
}

/** open_chain() - From what @look looks at down to the last base. */
static int open_chain(struct look *look, struct disk *ret_disk)
{
	struct disk disk = { .direct = true };
	int result;

	disk.links[0].path = strdup(look->path);
	if (!disk.links[0].path)
		return refuse(look, -ENOMEM, "cannot be read: out of memory");
	result = follow(look, &disk);
	if (result) {
		disk_clear(&disk);
		return result;
	}
	*ret_disk = disk;
	return 0;
}

int disk_open(const char *path, const char *key, bool writable, struct disk *ret_disk,
	      struct failure *failure)
{
	char full_key[32];
	struct look look = { .path = path,
			     .what = writable ? "the disk" : "the base image",
			     .key = full_key,
			     .writable = writable,
			     .own = true,
			     .failure = failure };

	snprintf(full_key, sizeof(full_key), "[guest] %s", key);
	return open_chain(&look, ret_disk);
}

int disk_open_device(const char *path, bool writable, struct disk *ret_disk,
		     struct failure *failure)
{
	struct look look = { .path = path,
			     .what = "the disk",
			     .key = "[device]",
			     .writable = writable,
			     .failure = failure };

	return open_chain(&look, ret_disk);
}

void disk_clear(struct disk *disk)
{
	for (size_t i = 0; i < DISK_MAX_LINKS; i++)
		free(disk->links[i].path);
	*disk = (struct disk){ 0 };
}
