#include "init/guest/overlay.h"

#include "lib/publish.h"
#include "lib/qcow2.h"

#include <errno.h>
#include <fcntl.h>

/** fill() - Make the file @path an overlay. Return: 0 or -errno. */
static int fill(const char *path, const struct disk *base)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno
		      : qcow2_write(fd, base->virtual_size, base->links[0].path,
				    base->links[0].format);
}

int overlay_create(const char *path, const struct disk *base, struct failure *failure)
{
	autofree char *temporary = NULL;
	int result = publish_temporary(path, &temporary);

	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "an overlay for the guest cannot be made beside %s: %s; the "
				   "directory must exist "
				   "and be writable: mount a volume there",
				   path, strerror(-result));
	result = fill(temporary, base);
	if (result)
		unlink(temporary);
	else
		result = publish(temporary, path);
	if (result && result != -EEXIST)
		return failure_set(failure, EXIT_CONFIG, result,
				   "an overlay on %s cannot be made as %s: %s", base->links[0].path,
				   path, strerror(-result));
	return 0;
}
