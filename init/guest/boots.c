#include "init/guest/boots.h"

#include "lib/util.h"

unsigned boots_load(const char *path, pid_t qemu)
{
	autofclose FILE *file = fopen(path, "re");
	int pid;
	unsigned boots;

	if (!file || fscanf(file, "%d %u", &pid, &boots) != 2 || pid != qemu)
		return 0;
	return boots;
}

void boots_save(const char *path, pid_t qemu, unsigned boots)
{
	autofclose FILE *file = fopen(path, "we");

	if (file)
		fprintf(file, "%d %u\n", (int)qemu, boots);
}

bool boots_inherited(const char *path)
{
	return access(path, F_OK) == 0;
}

void boots_forget(const char *path)
{
	unlink(path);
}
