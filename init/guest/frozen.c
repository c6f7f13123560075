/*
 * Going on from a frozen guest. The manifest has two parts. What the directory consists of (the
 * disk, the state) is checked always: a guest must never run on another disk. What the state goes
 * with decides only whether the guest goes on from it or boots.
 */
#include "init/guest/frozen_parts.h"

#include "init/guest/base.h"
#include "init/guest/checksum.h"
#include "init/guest/tree.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* The first part of the manifest, and where the second begins. */
struct manifest {
	char text[FROZEN_MANIFEST_MAX];
	char uuid[IDENTITY_UUID_SIZE];
	uint64_t disk_size, disk_digest;
	uint64_t state_size;
	char state_sum[CHECKSUM_SIZE];
	const char *facts;
};

char *frozen_join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

int frozen_open(const char *directory, struct frozen *ret_frozen)
{
	struct frozen frozen = {
		.directory = strdup(directory),
		.disk = frozen_join(directory, "disk.qcow2"),
		.state = frozen_join(directory, "state"),
		.nvram = frozen_join(directory, "nvram.fd"),
		.tpm = frozen_join(directory, "tpm"),
		.manifest = frozen_join(directory, "manifest"),
	};

	if (!frozen.directory || !frozen.disk || !frozen.state || !frozen.nvram || !frozen.tpm ||
	    !frozen.manifest) {
		frozen_clear(&frozen);
		return -ENOMEM;
	}
	*ret_frozen = frozen;
	return 0;
}

void frozen_clear(struct frozen *frozen)
{
	free(frozen->directory);
	free(frozen->disk);
	free(frozen->state);
	free(frozen->nvram);
	free(frozen->tpm);
	free(frozen->manifest);
	*frozen = (struct frozen){ .directory = NULL };
}

int frozen_find(const char *base, struct frozen *ret_frozen, struct failure *failure)
{
	autofree char *link = NULL, *directory = NULL;

	if (asprintf(&link, "%s" FROZEN_SUFFIX, base) < 0) {
		link = NULL;
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	}
	directory = realpath(link, NULL);
	if (!directory && errno == ENOENT) {
		struct stat status;

		if (lstat(link, &status))
			return -ENOENT;
		return failure_set(failure, EXIT_CONFIG, -EBADMSG,
				   "%s, the guest that was frozen in this image, leads nowhere: "
				   "copy the directory that it names as well, or remove it",
				   link);
	}
	if (!directory)
		return failure_set(
			failure, EXIT_CONFIG, -errno,
			"%s, the guest that was frozen in this image, cannot be opened: %s", link,
			strerror(errno));
	if (frozen_open(directory, ret_frozen))
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	return 0;
}

/** read_manifest() - Return: 0, -EBADMSG, or -errno. */
static int read_manifest(const struct frozen *frozen, struct manifest *ret_manifest)
{
	autoclose int fd = open(frozen->manifest, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_manifest->text, FROZEN_MANIFEST_MAX - 1);
	int length = 0;

	if (n < 0)
		return -errno;
	ret_manifest->text[n] = '\0';
	if (sscanf(ret_manifest->text,
		   FROZEN_HEAD "uuid %36[0-9a-fA-F-]\ndisk %" SCNu64 " %" SCNx64 "\nstate %" SCNu64
			       " %32[0-9a-f]%n",
		   ret_manifest->uuid, &ret_manifest->disk_size, &ret_manifest->disk_digest,
		   &ret_manifest->state_size, ret_manifest->state_sum, &length) != 5 ||
	    ret_manifest->text[length] != '\n')
		return -EBADMSG;
	ret_manifest->facts = ret_manifest->text + length + 1;
	return 0;
}

void frozen_print_facts(const struct frozen_facts *facts, size_t size, char *ret_text)
{
	char address[INET_ADDRSTRLEN] = "";

	inet_ntop(AF_INET, &facts->address, address, sizeof(address));
	snprintf(ret_text, size,
		 "definition %016" PRIx64 "\nqemu %lu\nlibvirt %lu\nprocessor %s\naddress %s\n",
		 facts->definition, facts->qemu, facts->libvirt, facts->processor, address);
}

int frozen_check_disk(const struct frozen *frozen, const struct disk *disk,
		      char ret_uuid[static IDENTITY_UUID_SIZE], struct failure *failure)
{
	struct manifest manifest = { .facts = "" };
	uint64_t mark = 0;
	int result = read_manifest(frozen, &manifest);

	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s, which says what the guest that was frozen in this image "
				   "consists of, cannot be used: %s; freeze it again, or name "
				   "another [guest] base",
				   frozen->manifest,
				   result == -EBADMSG ? "it is damaged, or of another casement"
						      : strerror(-result));
	result = base_digest(&disk->links[0], &mark);
	if (result)
		return failure_set(failure, EXIT_CONFIG, result, "%s cannot be read: %s",
				   frozen->disk, strerror(-result));
	if (disk->links[0].size != manifest.disk_size || mark != manifest.disk_digest)
		return failure_set(failure, EXIT_CONFIG, -ESTALE,
				   "%s is not the disk that was frozen: put that one back, freeze "
				   "again, or name another [guest] base",
				   frozen->disk);
	memcpy(ret_uuid, manifest.uuid, sizeof(manifest.uuid));
	return 0;
}

/** unpack() - One file or directory of a clone's own. One that belonged to a guest before it is
 * kept under another name. */
static int unpack(char *from, char *to, struct failure *failure)
{
	autofree char *old = NULL;
	char reason[512];
	int result;

	if (access(from, F_OK))
		return 0;
	if (asprintf(&old, "%s.old", to) < 0) {
		old = NULL;
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	}
	if (access(to, F_OK) == 0) {
		tree_remove(old);
		if (rename(to, old))
			return failure_set(failure, EXIT_CONFIG, -errno,
					   "%s, of a guest before this one, cannot be renamed to "
					   "%s: %s; remove one of them",
					   to, old, strerror(errno));
	}
	result = tree_copy(from, to, sizeof(reason), reason);
	return result ? failure_set(failure, EXIT_CONFIG, result, "%s", reason) : 0;
}

int frozen_unpack(const struct frozen *frozen, const struct storage *storage,
		  struct failure *failure)
{
	int result = unpack(frozen->nvram, storage->nvram, failure);

	return result ? result : unpack(frozen->tpm, storage->tpm, failure);
}

int frozen_fits(const struct frozen *frozen, const struct frozen_facts *facts, size_t size,
		char *ret_reason)
{
	static const struct {
		const char *word, *reason;
	} reasons[] = {
		{ "definition ",
		  "the guest's configuration is another one than when it was frozen" },
		{ "qemu ", "it was frozen by another version of QEMU" },
		{ "libvirt ", "it was frozen by another version of libvirt" },
		{ "processor ", "it was frozen on another kind of processor ([guest] cpu)" },
		{ "address ", "the guest had another address when it was frozen" },
	};
	struct manifest manifest = { .facts = "" };
	char wanted[FROZEN_MANIFEST_MAX];
	size_t line = 0, i = 0;
	int result = read_manifest(frozen, &manifest);

	if (result) {
		snprintf(ret_reason, size, "%s cannot be read: %s", frozen->manifest,
			 strerror(-result));
		return result;
	}
	frozen_print_facts(facts, sizeof(wanted), wanted);
	if (streq(manifest.facts, wanted))
		return 0;
	for (; wanted[i] && wanted[i] == manifest.facts[i]; i++) {
		if (wanted[i] == '\n')
			line = i + 1;
	}
	snprintf(ret_reason, size, "its manifest is damaged, or of another casement");
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strncmp(wanted + line, reasons[i].word, strlen(reasons[i].word)) == 0)
			snprintf(ret_reason, size, "%s", reasons[i].reason);
	}
	return -ESTALE;
}

int frozen_check_state(const struct frozen *frozen)
{
	struct manifest manifest = { .facts = "" };
	char sum[CHECKSUM_SIZE] = "";
	uint64_t size = 0;
	int result = read_manifest(frozen, &manifest);

	if (result == 0)
		result = checksum_file(frozen->state, &size, sum);
	if (result)
		return result;
	return size == manifest.state_size && streq(sum, manifest.state_sum) ? 0 : -EBADMSG;
}
