#include "init/pid1/device.h"

#include "init/pid1/group_file.h"
#include "lib/account.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#define GROUP_FILE "/etc/group"

/* Groups of a user that are looked at. */
#define DEVICE_MAX_GROUPS 64

struct complaint {
	const char *path;
	char *text;
	size_t size;
};

static int fail(const struct complaint *complaint, int error, const char *format, ...)
	PRINTF_LIKE(3, 4);

static int fail(const struct complaint *complaint, int error, const char *format, ...)
{
	int n = snprintf(complaint->text, complaint->size, "%s: ", complaint->path);
	va_list arguments;

	if (n > 0 && (size_t)n < complaint->size) {
		va_start(arguments, format);
		vsnprintf(complaint->text + n, complaint->size - (size_t)n, format, arguments);
		va_end(arguments);
	}
	return -error;
}

/*
 * A node that sits on another file system than its directory was bind-mounted: it is shared with
 * the host.
 */
static bool is_mounted(const char *path, const struct stat *node)
{
	char copy[PATH_MAX];
	struct stat directory;

	snprintf(copy, sizeof(copy), "%s", path);
	return stat(dirname(copy), &directory) == 0 && directory.st_dev != node->st_dev;
}

static int open_node(const struct device_config *device, struct stat *ret_node, char *text,
		     size_t size)
{
	const struct complaint complaint = { device->path, text, size };
	autoclose int fd = open(device->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail(&complaint, errno, "%s", strerror(errno));
	if (fstat(fd, ret_node) < 0)
		return fail(&complaint, errno, "%s", strerror(errno));
	if (!S_ISCHR(ret_node->st_mode) && !S_ISBLK(ret_node->st_mode))
		return fail(&complaint, ENODEV, "%s",
			    S_ISLNK(ret_node->st_mode)
				    ? "is a symbolic link: name the device itself"
				    : "is not a device");
	return take_fd(&fd);
}

/* Is @user a member of the group already, by its own group @own or another? */
static bool is_member(const char *user, gid_t own, gid_t gid)
{
	gid_t groups[DEVICE_MAX_GROUPS];
	size_t n = account_groups(user, own, groups, DEVICE_MAX_GROUPS);

	for (size_t i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* The node stays as it is: let its user into the node's group. */
static int admit(const struct device_config *device, const struct stat *node, char *text,
		 size_t size)
{
	const struct complaint complaint = { device->path, text, size };
	uid_t uid;
	gid_t own;
	int result;

	if ((node->st_mode & 0006) == 0006)
		return 0;
	if (account_user(device->user, &uid, &own) < 0)
		return fail(&complaint, ESRCH, "there is no user %s", device->user);
	/* Whoever is in root's group may do more than use a device. */
	if ((node->st_mode & 0060) != 0060 || node->st_gid == 0)
		return fail(&complaint, EXDEV,
			    "is mounted from the host, is not changed, and no group but root's may "
			    "use it: pass it with %s instead",
			    "--device");
	if (is_member(device->user, own, node->st_gid))
		return 0;
	result = group_file_add(GROUP_FILE, node->st_gid, device->user);
	if (result < 0)
		return fail(&complaint, -result, "%s cannot be changed: %s", GROUP_FILE,
			    strerror(-result));
	snprintf(text, size, "%s: is mounted from the host: %s is in its group %u now",
		 device->path, device->user, (unsigned)node->st_gid);
	return 1;
}

int device_fix(const struct device_config *device, char *text, size_t size)
{
	const struct complaint complaint = { device->path, text, size };
	autoclose int fd = -1;
	gid_t group = (gid_t)-1;
	char link[32];
	struct stat node = { 0 };

	/* Perhaps it is a file, for the guest. */
	if (!device->group && !device->mode)
		return 0;
	fd = open_node(device, &node, text, size);
	if (fd < 0)
		return fd;
	if (device->group && account_group(device->group, &group) < 0)
		return fail(&complaint, ESRCH, "there is no group %s", device->group);
	if ((!device->group || node.st_gid == group) &&
	    (!device->mode || (node.st_mode & 0777) == device->mode))
		return 0;
	if (is_mounted(device->path, &node) && device->user)
		return admit(device, &node, text, size);
	if (is_mounted(device->path, &node))
		return fail(&complaint, EXDEV,
			    "is mounted from the host and is not changed: pass it with %s instead",
			    "--device");
	if (device->group && fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) < 0)
		return fail(&complaint, errno, "its group cannot be changed: %s", strerror(errno));
	/* O_PATH descriptors have no fchmod; the link leads to this very node. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (device->mode && chmod(link, device->mode) < 0)
		return fail(&complaint, errno, "its mode cannot be changed: %s", strerror(errno));
	return 0;
}

int device_check(const struct device_config *device, char *text, size_t size)
{
	const struct complaint complaint = { device->path, text, size };
	autoclose int node_fd = -1, fd = -1;
	struct stat node = { 0 };

	node_fd = open_node(device, &node, text, size);
	if (node_fd == -ENOENT)
		return fail(&complaint, ENOENT, "is missing: start the container with --device %s",
			    device->path);
	if (node_fd < 0)
		return node_fd;
	fd = open(device->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	if (errno == EPERM)
		return fail(&complaint, EPERM,
			    "the container may not use it: start the container with --device %s",
			    device->path);
	if (errno == EACCES)
		return fail(&complaint, EACCES,
			    "its permissions keep casement out: on the host, chmod a+rw %s",
			    device->path);
	return fail(&complaint, errno, "cannot be opened: %s", strerror(errno));
}
