#include "image/prepare.h"

#include "image/import.h"
#include "image/install.h"
#include "image/need.h"
#include "lib/log.h"

/* libvirt hands it over to QEMU's user; it is nobody else's business. */
#define DISK_MODE 0600

int prepare_disk(struct job *job, const struct guest_config *config, const char *template)
{
	switch (need_of(config)) {
	case NEED_NOTHING: break;
	case NEED_IMPORT:
		log_info("%s: there is no disk yet: importing %s", config->disk, config->source);
		return import_source(job, config->source, config->source, config->disk, DISK_MODE);
	case NEED_INSTALL: return install_prepare(job, config, template);
	}
	return 0;
}
