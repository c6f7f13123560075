/*
 * The look at the file systems of the disks that could not be written, in the worker's thread: a
 * file system that hangs must hold up neither the event loop nor the deadline of a stop.
 *
 * Which disks those are, and where they are, libvirt knows, also of an XML of somebody's own. What
 * has no file (a block device, a network disk) does not tell its room, and is worth a try each
 * time.
 */
#include "init/guest/virt_room.h"

#include "init/guest/drive.h"
#include "init/guest/room.h"
#include "init/guest/xml_read.h"

#include <errno.h>
#include <sys/statvfs.h>

#define MAX_DISKS (1 + DRIVES_MAX)

/** has_room() - May what the disk @target of the domain @xml waits for be possible now? */
static bool has_room(const char *xml, const char *target, struct virt_result *result)
{
	autofree char *source = NULL;
	struct statvfs status;
	char path[128];
	uint64_t room;

	snprintf(path, sizeof(path), "/domain/devices/disk[target/@dev='%.32s']/source/@file",
		 target);
	source = xml_find(xml, path);
	if (!source || statvfs(source, &status))
		return true;
	/* QEMU is not root: what is kept for root is no room. */
	room = (uint64_t)status.f_bavail * status.f_frsize;
	if (room < result->room)
		result->room = room;
	return room_is_enough(room, (uint64_t)status.f_blocks * status.f_frsize);
}

int virt_resume_if_room(virDomain *domain, struct virt_result *result)
{
	virDomainDiskError errors[MAX_DISKS];
	autofree char *xml = NULL;
	bool full = false, room = true;
	int state, reason, n;

	result->room = UINT64_MAX;
	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		return -EIO;
	/* Who has paused it for another reason resumes it, too. */
	if (state != VIR_DOMAIN_PAUSED || reason != VIR_DOMAIN_PAUSED_IOERROR)
		return 0;
	xml = virDomainGetXMLDesc(domain, 0);
	n = xml ? virDomainGetDiskErrors(domain, errors, MAX_DISKS, 0) : -1;
	if (n < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		if (errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE) {
			full = true;
			room = has_room(xml, errors[i].disk, result) && room;
		}
		free(errors[i].disk);
	}
	if (!full || !room)
		return 0;
	if (virDomainResume(domain) < 0)
		return -EIO;
	result->resumed = true;
	return 0;
}
