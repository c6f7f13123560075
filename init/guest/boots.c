#include "init/guest/boots.h"

#include "lib/util.h"

struct boots boots_load(const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	struct boots boots = { .n = 0 };
	int pid = 0;

	if (!file || fscanf(file, "%d %u", &pid, &boots.n) != 2)
		return (struct boots){ .n = 0 };
	boots.qemu = pid;
	return boots;
}

void boots_save(const char *path, pid_t qemu, unsigned n)
{
	autofclose FILE *file = fopen(path, "we");

	if (file)
		fprintf(file, "%d %u\n", (int)qemu, n);
}
