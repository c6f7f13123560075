/* Runs every file of the given directories through a fuzz target: what once was found stays found.
 */
#include "fuzz.h"

#include "lib/util.h"

#include <fcntl.h>
#include <sys/stat.h>

static void replay_file(int directory, const char *name)
{
	autoclose int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	autofree uint8_t *bytes = NULL;
	struct stat status;
	ssize_t n;

	PROMISE(fd >= 0 && fstat(fd, &status) == 0);
	/* Exactly as large as the file, so that a byte too far is seen. */
	bytes = malloc((size_t)status.st_size + !status.st_size);
	PROMISE(bytes);
	n = read(fd, bytes, (size_t)status.st_size);
	PROMISE(n == status.st_size);
	LLVMFuzzerTestOneInput(bytes, (size_t)n);
}

static unsigned replay_directory(const char *path)
{
	autoclosedir DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned n = 0;

	PROMISE(directory);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		/* If it crashes, this was it. */
		fprintf(stderr, "%s\n", entry->d_name);
		replay_file(dirfd(directory), entry->d_name);
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		n += replay_directory(argv[i]);
	printf("%u inputs\n", n);
	return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
