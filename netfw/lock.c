#include "netfw/lock.h"

#include "lib/log.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LOCK_FILE RUN_DIRECTORY "/netfw.lock"

/** read_holder() - The pid that stands in the file; 0: none. */
static int read_holder(int fd)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

int lock_take(int *ret_fd)
{
	autoclose int fd = -1;

	/*
	 * Where the file cannot be had nobody holds it either; what needs the directory says so by
	 * itself, and `down` needs nothing of it.
	 */
	mkdir(RUN_DIRECTORY, 0755);
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another casement-netfw, pid %d, keeps the network: to apply a changed "
			  "configuration send SIGHUP to PID 1 (docker kill --signal HUP)",
			  read_holder(fd));
		return EXIT_FAILURE;
	}
	/* Only the message above is the poorer without it. */
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%d\n", (int)getpid());
	*ret_fd = take_fd(&fd);
	return 0;
}
