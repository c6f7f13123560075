#include "image/prepare.h"

#include "image/import.h"
#include "image/target.h"
#include "lib/log.h"

/* libvirt hands it over to QEMU's user; it is nobody else's business. */
#define DISK_MODE 0600

int prepare_disk(struct job *job, const struct guest_config *config)
{
	/* What an own definition boots is its own affair. */
	if (!config->source || config->xml)
		return 0;
	/* Remains of an import that was killed go even when somebody else brought the disk. */
	target_sweep(config->disk);
	if (access(config->disk, F_OK) == 0 || access(config->base, F_OK) == 0)
		return 0;
	log_info("%s: there is no disk yet: importing %s", config->disk, config->source);
	return import_source(job, config->source, config->source, config->disk, DISK_MODE);
}
