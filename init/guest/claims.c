#include "init/guest/claims.h"

#include "init/guest/storage.h"
#include "lib/log.h"

#include <errno.h>

/** written_disk() - The path that the claim is on; NULL: on none. */
static const char *written_disk(const struct config *config, size_t i)
{
	const struct device_config *device = i ? &config->devices[i - 1] : NULL;

	if (!device)
		return config->guest.disk;
	return device->as == DEVICE_DISK && !device->readonly ? device->path : NULL;
}

/**
 * take_claim() - Return: 0, -EBUSY when another container has the disk. Where there are no locks,
 * QEMU's own are what is left.
 */
static int take_claim(const char *disk, struct claim *claim,
		      char ret_holder[static CLAIM_HOLDER_SIZE])
{
	autofree char *path = NULL;
	int result = storage_lock_path(disk, &path);

	if (result == 0)
		result = claim_take(path, claim, ret_holder);
	if (result && result != -EBUSY)
		log_warning("the disk %s cannot be locked by means of %s: %s; see to it that no "
			    "other container uses it",
			    disk, path ? path : "a file", strerror(-result));
	return result == -EBUSY ? result : 0;
}

/** claim_disk() - One of them. @key: what names it, for messages. */
static int claim_disk(const char *disk, const char *key, struct claim *claim,
		      struct failure *failure)
{
	char holder[CLAIM_HOLDER_SIZE] = "";

	/* Then it is our own QEMU that writes to it, if any. */
	if (claim->held)
		return 0;
	if (take_claim(disk, claim, holder))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EBUSY,
			"the disk %s (%s) is in use by another container, with the host name %s: "
			"stop that one first, or give each container a volume of its own",
			disk, key, holder[0] ? holder : "(unknown)");
	if (!claim_written(disk))
		return 0;
	/* Whoever that is, it is none of ours. */
	claim_drop(claim);
	return failure_set(failure, EXIT_UNAVAILABLE, -EBUSY,
			   "the disk %s (%s) is in use: a QEMU or a qemu-img writes to it, perhaps "
			   "in the container with the host name %s; end that first, or give each "
			   "container a volume of its own",
			   disk, key, holder[0] ? holder : "(unknown)");
}

int claims_take(struct claims *claims, const struct config *config, struct failure *failure)
{
	int result = 0;

	for (size_t i = 0; i <= config->n_devices && result == 0; i++) {
		const char *disk = written_disk(config, i);

		if (disk)
			result = claim_disk(disk, i ? "[device]" : "[guest] disk", &claims->of[i],
					    failure);
	}
	return result;
}

void claims_keep(struct claims *claims, const struct config *config)
{
	char holder[CLAIM_HOLDER_SIZE] = "";

	for (size_t i = 0; i <= config->n_devices; i++) {
		const char *disk = written_disk(config, i);

		if (disk && !claims->of[i].held && take_claim(disk, &claims->of[i], holder))
			log_warning(
				"another container, with the host name %s, has just claimed the "
				"disk %s, which the guest runs on: it will not be able to use "
				"it",
				holder[0] ? holder : "(unknown)", disk);
	}
}

void claims_drop(struct claims *claims)
{
	for (size_t i = 0; i < ARRAY_SIZE(claims->of); i++)
		claim_drop(&claims->of[i]);
}
