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

static int explain(int error, const char *path, const struct disk *base, struct failure *failure)
{
	return failure_set(failure, EXIT_CONFIG, error, "an overlay on %s cannot be made as %s: %s",
			   base->links[0].path, path, strerror(-error));
}

int overlay_begin(const char *path, const struct disk *base, char **ret_temporary,
		  struct failure *failure)
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
	if (result) {
		unlink(temporary);
		return explain(result, path, base, failure);
	}
	*ret_temporary = take_ptr(temporary);
	return 0;
}

int overlay_publish(const char *temporary, const char *path, const struct disk *base,
		    struct failure *failure)
{
	int result = publish(temporary, path);

	return result && result != -EEXIST ? explain(result, path, base, failure) : 0;
}
