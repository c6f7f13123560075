#include "init/guest/overlay.h"

#include "init/guest/command.h"
#include "lib/publish.h"

#include <errno.h>

#define QEMU_IMG "/usr/bin/qemu-img"
/* Below the watchdog: the event loop waits for it. */
#define QEMU_IMG_TIMEOUT_MS 10000

int overlay_create(const char *path, const struct disk *base, struct failure *failure)
{
	autofree char *temporary = NULL;
	char output[512];
	int result = publish_temporary(path, &temporary);

	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "an overlay for the guest cannot be made beside %s: %s; the "
				   "directory must exist "
				   "and be writable: mount a volume there",
				   path, strerror(-result));
	char *argv[] = { (char[]){ QEMU_IMG },
			 (char[]){ "create" },
			 (char[]){ "-q" },
			 (char[]){ "-f" },
			 (char[]){ "qcow2" },
			 (char[]){ "-b" },
			 base->links[0].path,
			 (char[]){ "-F" },
			 base->links[0].format == IMAGE_QCOW2 ? (char[]){ "qcow2" }
							      : (char[]){ "raw" },
			 temporary,
			 NULL };
	result = command_run(argv, QEMU_IMG_TIMEOUT_MS, sizeof(output), output);
	if (result == 0) {
		result = publish(temporary, path);
		if (result == -EEXIST)
			return 0;
		snprintf(output, sizeof(output), "%s", strerror(-result));
	} else {
		unlink(temporary);
		if (!output[0])
			snprintf(output, sizeof(output), QEMU_IMG ": %s", strerror(-result));
	}
	if (result)
		return failure_set(failure, EXIT_CONFIG, result,
				   "an overlay on %s cannot be made as %s: %s", base->links[0].path,
				   path, output);
	return 0;
}
