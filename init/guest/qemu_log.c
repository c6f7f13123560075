/*
 * libvirt writes the environment and the command line of each start into the log, one argument a
 * line with a backslash at its end; and the command line of swtpm, in one line behind one that says
 * so. What follows is QEMU's.
 */
#include "init/guest/qemu_log.h"

#include "lib/util.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define TAIL_BYTES 4096
#define TAIL_LINES 8

/** read_tail() - The last bytes of the file. Return: how many. */
static size_t read_tail(const char *path, char text[static TAIL_BYTES + 1])
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status))
		return 0;
	n = pread(fd, text, TAIL_BYTES,
		  status.st_size > TAIL_BYTES ? status.st_size - TAIL_BYTES : 0);
	if (n < 0)
		return 0;
	text[n] = '\0';
	return (size_t)n;
}

bool qemu_log_is_words(const char *line, size_t length, bool *continued)
{
	bool before = *continued;

	*continued = length > 0 && (line[length - 1] == '\\' ||
				    memmem(line, length, "Starting external device:", 25));
	return length > 0 && !before && !*continued &&
	       !memmem(line, length, "starting up libvirt", 19);
}

void qemu_log_tail(const char *directory, const char *name, size_t size, char *ret_text)
{
	char path[PATH_MAX], text[TAIL_BYTES + 1];
	const char *lines[TAIL_LINES];
	size_t lengths[TAIL_LINES], n = 0, used = 0;
	bool continued = false;

	ret_text[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s.log", directory, name);
	if (read_tail(path, text) == 0)
		return;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (qemu_log_is_words(line, length, &continued)) {
			lines[n % TAIL_LINES] = line;
			lengths[n++ % TAIL_LINES] = length;
		}
		line += length + (line[length] == '\n');
	}
	for (size_t i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++) {
		int written = snprintf(ret_text + used, size - used, "%s%.*s", used ? "\n" : "",
				       (int)lengths[i % TAIL_LINES], lines[i % TAIL_LINES]);

		if (written < 0 || (size_t)written >= size - used) {
			ret_text[used] = '\0';
			return;
		}
		used += (size_t)written;
	}
}
