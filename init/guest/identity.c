/*
 * The file beside the disk: the UUID in the first line, the image's format in the second, the
 * generation in the third. Where there is no third line the UUID is the generation.
 *
 * Windows ties its activation to the UUID. The format is there because of what a guest can do to a
 * raw disk: write a qcow2 header into its first sector that names any file of the container as its
 * backing file, and read that file after the next start. And a qcow2 that has become raw is a qcow2
 * without its header: no guest should write to it.
 */
#include "init/guest/identity.h"

#include "lib/publish.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>

#define FILE_MAX 256

/** make_uuid() - A random UUID, RFC 9562 version 4. */
static int make_uuid(char ret_uuid[static IDENTITY_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[16];
	size_t at = 0;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -errno;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret_uuid[at++] = '-';
		ret_uuid[at++] = digits[bytes[i] >> 4];
		ret_uuid[at++] = digits[bytes[i] & 15];
	}
	ret_uuid[at] = '\0';
	return 0;
}

static bool is_uuid(const char *text, size_t length)
{
	if (length != IDENTITY_UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	}
	return true;
}

/** next_line() - The one after @line, of which @length bytes are no line break. */
static const char *next_line(const char *line, size_t length)
{
	return line + length + (line[length] == '\n');
}

/** parse() - Return: 0, or -EBADMSG. @ret_format: -1 when the file does not say. */
static int parse(const char *text, struct identity *ret_identity, int *ret_format)
{
	size_t length = strcspn(text, "\n");
	const char *format = next_line(text, length);
	size_t format_length = strcspn(format, "\n");
	const char *generation = next_line(format, format_length);
	size_t generation_length = strcspn(generation, "\n");

	if (!is_uuid(text, length) ||
	    (generation_length && !is_uuid(generation, generation_length)))
		return -EBADMSG;
	*ret_format = -1;
	if (format_length == 3 && strncmp(format, "raw", 3) == 0)
		*ret_format = IMAGE_RAW;
	else if (format_length == 5 && strncmp(format, "qcow2", 5) == 0)
		*ret_format = IMAGE_QCOW2;
	else if (format_length)
		return -EBADMSG;
	snprintf(ret_identity->uuid, IDENTITY_UUID_SIZE, "%.*s", (int)length, text);
	snprintf(ret_identity->generation, IDENTITY_UUID_SIZE, "%s",
		 generation_length ? generation : text);
	return 0;
}

/** read_file() - Return: 0, -ENOENT, or -errno. */
static int read_file(const char *path, char text[static FILE_MAX])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, FILE_MAX - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

static int write_file(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, length);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -ENOSPC;
}

/**
 * create() - Make an identity and keep it.
 * @uuid: NULL: a new one
 *
 * Return: 0, -EEXIST if somebody else did, or -errno.
 */
static int create(const char *path, enum image_format format, const char *uuid)
{
	char made[IDENTITY_UUID_SIZE], generation[IDENTITY_UUID_SIZE], text[FILE_MAX] = "";
	autofree char *temporary = NULL;
	int result = make_uuid(made);

	if (result == 0)
		result = make_uuid(generation);
	if (result)
		return result;
	snprintf(text, sizeof(text), "%s\n%s\n%s\n", uuid ? uuid : made, image_format_name(format),
		 generation);
	result = publish_temporary(path, &temporary);
	if (result)
		return result;
	result = write_file(temporary, text);
	if (result) {
		unlink(temporary);
		return result;
	}
	return publish(temporary, path);
}

static int cannot_keep(const char *path, int error, struct failure *failure)
{
	return failure_set(failure, EXIT_CONFIG, error,
			   "the guest's UUID cannot be kept in %s: %s; the storage directory must "
			   "be writable",
			   path, strerror(-error));
}

int identity_clone(const char *path, const char *uuid, struct failure *failure)
{
	int result = create(path, IMAGE_QCOW2, uuid);

	return result ? cannot_keep(path, result, failure) : 0;
}

int identity_load(const char *path, enum image_format format, struct identity *ret_identity,
		  struct failure *failure)
{
	struct identity identity;
	char text[FILE_MAX] = "";
	int recorded, result = read_file(path, text);

	if (result == -ENOENT) {
		result = create(path, format, NULL);
		if (result && result != -EEXIST)
			return cannot_keep(path, result, failure);
		result = read_file(path, text);
	}
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s, which has the guest's UUID, cannot be read: %s", path,
				   strerror(-result));
	result = parse(text, &identity, &recorded);
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s does not hold a UUID and a format; put the guest's UUID "
				   "into it, or remove "
				   "it to get a new one",
				   path);
	if (recorded >= 0 && recorded != (int)format)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "the guest's disk was %s and is %s now, which damage or the "
				   "guest itself can "
				   "have done; if you replaced it, remove the second line of %s",
				   image_format_name((enum image_format)recorded),
				   image_format_name(format), path);
	*ret_identity = identity;
	return 0;
}
