/*
 * Order is everything here.
 *
 * Written: image under its temporary name, fsync, rename; then the manifest, which is published in
 * one step (publish.h). Whatever dies in between leaves no manifest.
 *
 * Used: the guest is loaded and stands still; the manifest is removed and the directory synced;
 * then it runs, and its disk moves on. So there is no moment at which a state and a disk that it
 * does not go with could be taken for a pair. Other hands are found out by the size and the time of
 * every image of the disk.
 *
 * A state that brings down whoever reads it is tried a few times and no more.
 */
#include "init/guest/state.h"

#include "init/guest/host.h"
#include "lib/publish.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#define MANIFEST_HEAD "casement-state 1\n"
/* Of a frozen guest: the directory and the disk are all that it has. */
#define FROZEN_HEAD "casement-frozen-state 1\ndirectory "
#define MANIFEST_MAX 16384
#define MAX_TRIES 3
/* QEMU locks bytes of an image that it has open, from here on: block/file-posix.c. */
#define QEMU_LOCKS_FROM 100
#define QEMU_LOCKS_LENGTH 200

int state_init(struct state *state, const char *disk)
{
	struct state made = { .image = NULL };

	if (asprintf(&made.image, "%s.state", disk) < 0)
		made.image = NULL;
	if (asprintf(&made.partial, "%s.state.new", disk) < 0)
		made.partial = NULL;
	if (asprintf(&made.manifest, "%s.state.manifest", disk) < 0)
		made.manifest = NULL;
	if (asprintf(&made.tries, "%s.state.tries", disk) < 0)
		made.tries = NULL;
	if (!made.image || !made.partial || !made.manifest || !made.tries) {
		state_clear(&made);
		return -ENOMEM;
	}
	*state = made;
	return 0;
}

void state_clear(struct state *state)
{
	free(state->image);
	free(state->partial);
	free(state->manifest);
	free(state->tries);
	*state = (struct state){ .image = NULL };
}

bool state_pending(const struct state *state)
{
	return state->image && access(state->manifest, F_OK) == 0;
}

bool state_loaded(const struct state *state)
{
	/* Whether it was consumed or not: the image goes once the guest runs. */
	return state->image && access(state->image, F_OK) == 0;
}

uint64_t state_size(const struct state *state)
{
	struct stat status;

	return state->image && stat(state->image, &status) == 0 ? (uint64_t)status.st_size : 0;
}

PRINTF_LIKE(2, 3) static void write_line(FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(out, format, arguments);
	va_end(arguments);
}

/**
 * write_mark_of() - Size and time of a file, by which other hands on it are noticed.
 * @file: where it is, before it gets its name
 */
static int write_mark_of(FILE *out, const char *word, const char *path, const char *file)
{
	struct stat status;

	if (stat(file, &status))
		return -errno;
	write_line(out, "%s %lld %lld.%09ld %s\n", word, (long long)status.st_size,
		   (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, path);
	return 0;
}

/** write_file_mark() - The same, of one that is where it belongs. */
static int write_file_mark(FILE *out, const char *word, const char *path)
{
	return write_mark_of(out, word, path, path);
}

/**
 * describe_frozen() - The manifest of a state that is a frozen guest's.
 * @file: where the disk is, before it gets its name
 * @ret_text: allocated
 */
static int describe_frozen(const char *directory, const char *disk, const char *file,
			   char **ret_text)
{
	autofree char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int result;

	if (!out)
		return -ENOMEM;
	write_line(out, FROZEN_HEAD "%s\n", directory);
	/* What is below the disk is compared with the record of its base. */
	result = write_mark_of(out, "disk", disk, file);
	if (fclose(out))
		return -ENOMEM;
	if (result == 0)
		*ret_text = take_ptr(text);
	return result;
}

/** write_disk_marks() - Those of an image and of all below it. */
static int write_disk_marks(FILE *out, const struct disk *disk)
{
	int result = 0;

	for (size_t i = 0; i < disk->n && result == 0; i++)
		result = write_file_mark(out, "disk", disk->links[i].path);
	return result;
}

/** describe() - The manifest as it has to be. @ret_text: allocated. */
static int describe(const struct state *state, const struct state_facts *facts, char **ret_text)
{
	char processor[HOST_PROCESSOR_SIZE] = "emulated", address[INET_ADDRSTRLEN] = "";
	autofree char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int result = 0;

	if (!out)
		return -ENOMEM;
	if (facts->kvm)
		host_processor(processor);
	inet_ntop(AF_INET, &facts->address, address, sizeof(address));
	write_line(out, MANIFEST_HEAD "definition %016llx\nprocessor %s\naddress %s\n",
		   (unsigned long long)facts->definition, processor, address);
	result = write_disk_marks(out, facts->disk);
	for (size_t i = 0; i < facts->n_drives && result == 0; i++)
		result = write_disk_marks(out, &facts->drives[i].disk);
	if (result == 0)
		result = write_file_mark(out, "state", state->image);
	if (fclose(out))
		return -ENOMEM;
	if (result == 0)
		*ret_text = take_ptr(text);
	return result;
}

/** read_manifest() - Return: 0 or -errno. */
static int read_manifest(const char *path, char text[static MANIFEST_MAX])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, MANIFEST_MAX - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/** explain_difference() - What @found and @wanted disagree about first. */
static const char *explain_difference(const char *found, const char *wanted)
{
	size_t line = 0;

	for (size_t i = 0; found[i] && found[i] == wanted[i]; i++) {
		if (found[i] == '\n')
			line = i + 1;
	}
	if (strncmp(wanted + line, "definition", 10) == 0)
		return "the guest's configuration is another one since it was saved";
	if (strncmp(wanted + line, "processor", 9) == 0)
		return "it was saved on another kind of processor";
	if (strncmp(wanted + line, "address", 7) == 0)
		return "the guest had another address when it was saved";
	if (strncmp(wanted + line, "disk", 4) == 0)
		return "the disk was changed, replaced or moved since the guest was saved";
	if (strncmp(wanted + line, "state", 5) == 0)
		return "its file is not as it was written";
	return "its manifest was written by another casement, or is damaged";
}

/** count_try() - One try more. Return: how many it is now, or -errno. */
static int count_try(const char *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct stat status;

	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || fstat(fd, &status))
		return -errno;
	return (int)status.st_size;
}

char *state_frozen(const struct state *state)
{
	char text[MANIFEST_MAX] = "";
	const char *directory = text + strlen(FROZEN_HEAD);

	if (!state->image || read_manifest(state->manifest, text) ||
	    strncmp(text, FROZEN_HEAD, strlen(FROZEN_HEAD)) != 0)
		return NULL;
	return strndup(directory, strcspn(directory, "\n"));
}

int state_claim(const struct state *state, const struct state_facts *facts, size_t size,
		char *ret_reason)
{
	autofree char *frozen = state_frozen(state), *wanted = NULL;
	char found[MANIFEST_MAX] = "";
	int result = read_manifest(state->manifest, found);

	if (result == 0)
		result = frozen ? describe_frozen(frozen, facts->disk->links[0].path,
						  facts->disk->links[0].path, &wanted)
				: describe(state, facts, &wanted);
	if (result) {
		snprintf(ret_reason, size, "it cannot be read: %s", strerror(-result));
		return result;
	}
	if (!streq(found, wanted)) {
		snprintf(ret_reason, size, "%s", explain_difference(found, wanted));
		return -ESTALE;
	}
	result = count_try(state->tries);
	if (result > MAX_TRIES) {
		snprintf(ret_reason, size, "%d attempts to load it came to nothing", MAX_TRIES);
		return -ELOOP;
	}
	/* What is not counted might be tried for ever. */
	if (result < 0)
		snprintf(ret_reason, size, "the storage directory cannot be written to: %s",
			 strerror(-result));
	return result < 0 ? result : 0;
}

/** sync_directory() - That of @path. */
static int sync_directory(const char *path)
{
	autofree char *directory = strndup(path, (size_t)(strrchr(path, '/') + 1 - path));
	autoclose int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) ? -errno : 0;
}

int state_consume(const struct state *state)
{
	if (!state->image)
		return 0;
	if (unlink(state->manifest))
		return errno == ENOENT ? 0 : -errno;
	return sync_directory(state->manifest);
}

int state_discard(const struct state *state)
{
	int result = state_consume(state);

	if (result || !state->image)
		return result;
	unlink(state->image);
	unlink(state->partial);
	unlink(state->tries);
	return 0;
}

/** write_manifest() - Return: 0 or -errno. */
static int write_manifest(const struct state *state, const char *text)
{
	autofree char *temporary = NULL;
	autofclose FILE *file = NULL;
	int result = publish_temporary(state->manifest, &temporary);

	if (result)
		return result;
	file = fopen(temporary, "we");
	if (!file || fputs(text, file) < 0 || fflush(file)) {
		result = -errno;
		unlink(temporary);
		return result;
	}
	return publish(temporary, state->manifest);
}

int state_commit(const struct state *state, const struct state_facts *facts, size_t size,
		 char *ret_reason)
{
	autofree char *text = NULL;
	autoclose int fd = open(state->partial, O_RDONLY | O_CLOEXEC);
	int result = fd < 0 || fsync(fd) || rename(state->partial, state->image) ? -errno : 0;

	if (result == 0)
		result = sync_directory(state->image);
	if (result == 0)
		result = describe(state, facts, &text);
	if (result == 0)
		result = write_manifest(state, text);
	if (result) {
		snprintf(ret_reason, size, "%s cannot be completed: %s", state->image,
			 strerror(-result));
		state_discard(state);
	}
	return result;
}

/** lead_to() - Let the state be a file that is elsewhere. Return: 0 or -errno. */
static int lead_to(const struct state *state, const char *file)
{
	int result = state_discard(state);

	return result == 0 && symlink(file, state->image) ? -errno : result;
}

int state_adopt(const struct state *state, const char *directory, const char *disk,
		const char *file)
{
	autofree char *text = NULL, *image = NULL;
	int result;

	if (asprintf(&image, "%s/state", directory) < 0)
		image = NULL;
	result = image ? lead_to(state, image) : -ENOMEM;
	if (result == 0)
		result = describe_frozen(directory, disk, file, &text);
	return result ? result : write_manifest(state, text);
}

int state_keep(const struct state *state, const char *file, const struct state_facts *facts)
{
	autofree char *text = NULL;
	int result = lead_to(state, file);

	if (result == 0)
		result = describe(state, facts, &text);
	return result ? result : write_manifest(state, text);
}

int state_goes_with(const struct disk *disk, size_t size, char *ret_reason)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = QEMU_LOCKS_FROM,
			      .l_len = QEMU_LOCKS_LENGTH };
	const char *path = disk->links[0].path;
	autoclose int fd = -1;

	if (disk->links[0].block) {
		snprintf(ret_reason, size,
			 "its disk is a block device, which does not tell when it was changed");
		return -ENOTSUP;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK) {
		snprintf(ret_reason, size, "%s is not the file that QEMU has open", path);
		return -ESTALE;
	}
	return 0;
}
