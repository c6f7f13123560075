/* The files are read from the start for every question: there are few questions, and they are
 * short. */
#include "lib/account.h"

#include "lib/util.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

int account_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	autofclose FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user;

	if (!file)
		return -errno;
	while ((user = fgetpwent(file))) {
		if (!streq(user->pw_name, name))
			continue;
		*ret_uid = user->pw_uid;
		*ret_gid = user->pw_gid;
		return 0;
	}
	return -ENOENT;
}

int account_group(const char *name, gid_t *ret_gid)
{
	autofclose FILE *file = fopen("/etc/group", "re");
	const struct group *group;

	if (!file)
		return -errno;
	while ((group = fgetgrent(file))) {
		if (!streq(group->gr_name, name))
			continue;
		*ret_gid = group->gr_gid;
		return 0;
	}
	return -ENOENT;
}

static bool has_member(const struct group *group, const char *user)
{
	for (char **member = group->gr_mem; *member; member++) {
		if (streq(*member, user))
			return true;
	}
	return false;
}

static bool is_among(gid_t group, const gid_t *groups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

size_t account_groups(const char *user, gid_t own, gid_t *groups, size_t max)
{
	autofclose FILE *file = fopen("/etc/group", "re");
	const struct group *group;
	size_t n = 0;

	groups[n++] = own;
	while (file && n < max && (group = fgetgrent(file))) {
		if (has_member(group, user) && !is_among(group->gr_gid, groups, n))
			groups[n++] = group->gr_gid;
	}
	return n;
}
