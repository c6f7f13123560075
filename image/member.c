/*
 * Nothing of a box but its disk is ever written, and that under a name of ours; so no name in it
 * can do harm. One that tries to is refused all the same: nobody packs it by accident.
 */
#include "image/member.h"

#include <sys/stat.h>

const char *member_name(const char *path)
{
	while (path[0] == '.' && path[1] == '/') {
		path += 2;
		path += strspn(path, "/");
	}
	return streq(path, ".") ? path + 1 : path;
}

bool member_leads_out(const char *path)
{
	if (*path == '/')
		return true;
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return true;
	}
	return false;
}

const char *member_refusal(const char *path, mode_t type, bool is_link)
{
	if (!path)
		return "has a name that cannot be read";
	if (member_leads_out(path))
		return "has a name that leads out of the box";
	if (is_link)
		return "is a hard link";
	if (S_ISLNK(type))
		return "is a symbolic link";
	if (!S_ISREG(type) && !S_ISDIR(type))
		return "is a device, a FIFO or a socket";
	return NULL;
}
