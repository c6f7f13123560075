/*
 * The calling thread takes on the user's file system identity (setfsuid(2)) and tries. The kernel
 * takes the capabilities that override permissions away with it and gives them back with the old
 * identity. All of it is per thread; so is setgroups(2) itself, although not glibc's wrapper of it.
 */
#include "init/guest/access.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_GROUPS 64

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[MAX_GROUPS];
	int n_groups;
};

static int set_groups(const struct identity *identity)
{
	return (int)syscall(SYS_setgroups, identity->n_groups, identity->groups);
}

/** take_on() - Become @identity for file accesses. Return: whether that worked. */
static bool take_on(const struct identity *identity)
{
	if (set_groups(identity))
		return false;
	setfsgid(identity->gid);
	setfsuid(identity->uid);
	/* An impossible id changes nothing, and tells the current one. */
	return setfsuid((uid_t)-1) == (int)identity->uid;
}

static int try_access(const char *path, enum access_wanted wanted)
{
	autoclose int fd = -1;
	struct stat status;

	if (wanted == ACCESS_REACH)
		return stat(path, &status) ? -errno : 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : 0;
}

int access_as(const char *user, const char *path, enum access_wanted wanted)
{
	struct identity own = { .uid = geteuid(), .gid = getegid() };
	struct identity theirs = { .n_groups = MAX_GROUPS };
	const struct passwd *entry = getpwnam(user);
	int result = 0;

	if (!entry)
		return 0;
	theirs.uid = entry->pw_uid;
	theirs.gid = entry->pw_gid;
	if (getgrouplist(user, theirs.gid, theirs.groups, &theirs.n_groups) < 0)
		return 0;
	own.n_groups = getgroups(MAX_GROUPS, own.groups);
	if (own.n_groups < 0)
		return 0;
	if (take_on(&theirs))
		result = try_access(path, wanted);
	take_on(&own);
	return result;
}
