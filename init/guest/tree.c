#include "init/guest/tree.h"

#include "init/guest/command.h"
#include "lib/util.h"

#include <errno.h>
#include <ftw.h>

#define CP "/bin/cp"
#define COPY_TIMEOUT_MS 60000
#define FTW_DESCRIPTORS 16

int tree_copy(char *from, char *to, size_t size, char *ret_reason)
{
	char *argv[] = { (char[]){ CP },
			 (char[]){ "-a" },
			 (char[]){ "--sparse=always" },
			 (char[]){ "--" },
			 from,
			 to,
			 NULL };
	char output[256];
	int result = command_run(argv, COPY_TIMEOUT_MS, sizeof(output), output);

	if (result)
		snprintf(ret_reason, size, "%s cannot be copied to %s: %s", from, to,
			 output[0] ? output : strerror(-result));
	return result;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	remove(path);
	return 0;
}

void tree_remove(const char *path)
{
	nftw(path, remove_one, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
