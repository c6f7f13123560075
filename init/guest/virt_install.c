/*
 * Under UEFI the medium of Windows asks to "press any key to boot from CD or DVD", waits five
 * seconds, and gives way to whatever comes next in the firmware, which is nothing. What has been
 * read from the CD tells when that question is answered: the part that asks it is small, and what
 * it loads then is not.
 */
#include "init/guest/virt_install.h"

#include "init/guest/xml_read.h"

#include <errno.h>
#include <limits.h>

/* Linux' number of the key, and how long it is held. */
#define KEY_ENTER 28
#define HELD_MS 100
#define BOOTED_BYTES (32LL << 20)

/** target_of() - The name of the disk whose file is @path; NULL: there is none. Allocated. */
static char *target_of(virDomain *domain, const char *path)
{
	autofree char *xml = virDomainGetXMLDesc(domain, 0);
	char question[PATH_MAX + 64];

	if (!xml || strchr(path, '"'))
		return NULL;
	snprintf(question, sizeof(question),
		 "/domain/devices/disk[source/@file=\"%s\"]/target/@dev", path);
	return xml_find(xml, question);
}

int virt_press_key(virDomain *domain, const struct plan *plan, struct virt_result *result)
{
	autofree char *target = target_of(domain, plan->config->guest.iso);
	virDomainBlockStatsStruct stats;
	unsigned key = KEY_ENTER;

	result->booted = target &&
			 virDomainBlockStats(domain, target, &stats, sizeof(stats)) == 0 &&
			 stats.rd_bytes > BOOTED_BYTES;
	if (result->booted)
		return 0;
	return virDomainSendKey(domain, VIR_KEYCODE_SET_LINUX, HELD_MS, &key, 1, 0) < 0 ? -EIO : 0;
}

int virt_eject_answers(virDomain *domain, const struct plan *plan)
{
	const char *answers = plan->install.answers;
	autofree char *target = answers ? target_of(domain, answers) : NULL;
	char xml[256];

	/* It was not there, or is not any more. */
	if (!target)
		return 0;
	snprintf(xml, sizeof(xml),
		 "<disk type='file' device='cdrom'><target dev='%.32s' "
		 "bus='sata'/><readonly/></disk>",
		 target);
	/* By force: a guest may have locked the drive. */
	return virDomainUpdateDeviceFlags(domain, xml,
					  (unsigned)VIR_DOMAIN_AFFECT_LIVE |
						  (unsigned)VIR_DOMAIN_DEVICE_MODIFY_FORCE) < 0
		       ? -EIO
		       : 0;
}
