#include "init/guest/install.h"

#include "init/guest/access.h"
#include "lib/install_mark.h"
#include "lib/log.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>

/* The disk comes first: once it is bootable, the set-up's own reboots must end there. */
#define BOOT_SECOND 2

int install_find(const struct guest_config *config, struct install *ret_install)
{
	struct install install = { .under_way = false };

	if (config->iso && !config->xml && install_mark_holds(config->disk)) {
		install.under_way = true;
		install.answers = install_answers_path(config->disk);
		if (!install.answers)
			return -ENOMEM;
		if (access(install.answers, F_OK)) {
			free(install.answers);
			install.answers = NULL;
		}
	}
	*ret_install = install;
	return 0;
}

int install_imagine(const struct guest_config *config, struct install *ret_install)
{
	if (!config->iso || access(config->disk, F_OK) == 0 || access(config->base, F_OK) == 0)
		return install_find(config, ret_install);
	ret_install->under_way = true;
	ret_install->answers = NULL;
	if (config->windows == WINDOWS_OTHER && !config->answer_file)
		return 0;
	ret_install->answers = install_answers_path(config->disk);
	return ret_install->answers ? 0 : -ENOMEM;
}

int install_hand_over(const struct install *install, struct failure *failure)
{
	const struct passwd *user = getpwnam(QEMU_USER);
	const char *path = install->answers;

	/* Without such a user QEMU is root. */
	if (path && ((user && chown(path, user->pw_uid, (gid_t)-1)) || chmod(path, 0400)))
		return failure_set(
			failure, EXIT_CONFIG, -errno,
			"%s, the CD with the answers, cannot be given to the user " QEMU_USER
			": %s",
			path, strerror(errno));
	return 0;
}

/** add() - One CD. @key: that names it; NULL: it is ours. */
static int add(struct storage *storage, const char *path, const char *key, unsigned boot,
	       struct failure *failure)
{
	struct drive *drive = &storage->drives[storage->n_drives];
	int result = key ? access_as(QEMU_USER, path, ACCESS_READ) : 0;

	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "%s ([guest] %s) cannot be read for the user " QEMU_USER
				   ", whom QEMU runs as: %s; let everybody read it (chmod o+r), "
				   "and search its directory (chmod o+x)",
				   path, key, strerror(-result));
	if (storage->n_drives == DRIVES_MAX)
		return failure_set(failure, EXIT_CONFIG, -E2BIG,
				   "%s: the guest has no place for one more drive", path);
	*drive = (struct drive){ .cdrom = true, .readonly = true, .boot = boot };
	drive->disk.links[0].path = strdup(path);
	if (!drive->disk.links[0].path)
		return failure_set(failure, EXIT_CONFIG, -ENOMEM, "out of memory");
	drive->disk.links[0].format = IMAGE_RAW;
	drive->disk.n = 1;
	storage->n_drives++;
	return 0;
}

int install_attach(const struct install *install, const struct guest_config *config,
		   struct storage *storage, struct failure *failure)
{
	int result;

	if (!install->under_way) {
		if (config->iso)
			log_info("nothing is installed from %s ([guest] iso): there is a disk",
				 config->iso);
		return 0;
	}
	result = add(storage, config->iso, "iso", BOOT_SECOND, failure);
	if (result == 0 && install->answers)
		result = add(storage, install->answers, NULL, 0, failure);
	if (result == 0 && config->virtio_iso)
		result = add(storage, config->virtio_iso, "virtio-iso", 0, failure);
	return result;
}

int install_finish(struct install *install, const struct guest_config *config)
{
	int result = install_mark_remove(config->disk);

	if (install->answers && unlink(install->answers) && errno != ENOENT)
		result = -errno;
	install->under_way = false;
	return result;
}

void install_clear(struct install *install)
{
	free(install->answers);
	*install = (struct install){ .under_way = false };
}
