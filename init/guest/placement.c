/*
 * Both are asked for by whoever knows the host, so what is missing is an error and not something to
 * make do with.
 *
 * A list with a processor for each virtual one pins one to one, in order; what is left of it is for
 * QEMU's other threads. A shorter one is what all of them share. libvirtd is root and QEMU is not:
 * moving another user's threads takes SYS_NICE, which Docker does not give by itself.
 *
 * Sources: hugetlbpage.rst and proc_meminfo(5) of Linux, sched_setaffinity(2).
 */
#include "init/guest/placement.h"

#include "lib/processors.h"
#include "lib/util.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <mntent.h>
#include <sys/syscall.h>

typedef unsigned long long ull;

/** read_meminfo() - A line of /proc/meminfo in kB; 0: there is none. */
static uint64_t read_meminfo(const char *root, const char *word)
{
	autofclose FILE *file = NULL;
	char path[PATH_MAX], line[256];
	size_t length = strlen(word);
	ull number = 0;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, word, length) == 0)
			number = strtoull(line + length, NULL, 10);
	}
	return number;
}

uint64_t placement_page_size(const char *root, uint64_t hugepages)
{
	return hugepages > 1 ? hugepages : read_meminfo(root, "Hugepagesize:") << 10;
}

/** read_free() - Free huge pages of a size. Return: false if the kernel has no such pages. */
static bool read_free(const char *root, uint64_t page, uint64_t *ret_free)
{
	autofclose FILE *file = NULL;
	char path[PATH_MAX];
	ull number;

	snprintf(path, sizeof(path), "%s/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 root, (ull)page >> 10);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &number) != 1)
		return false;
	*ret_free = number;
	return true;
}

/** page_size_of() - Of a mounted hugetlbfs; the kernel always shows the option. */
static uint64_t page_size_of(const struct mntent *mount)
{
	const char *option = hasmntopt(mount, "pagesize");
	char *unit = NULL;
	uint64_t size = option ? strtoull(option + sizeof("pagesize=") - 1, &unit, 10) : 0;

	switch (unit ? *unit : '\0') {
	case 'K': return size << 10;
	case 'M': return size << 20;
	case 'G': return size << 30;
	default: return size;
	}
}

/** is_mounted() - Is there a hugetlbfs of that page size that can be written to? */
static bool is_mounted(const char *root, uint64_t page)
{
	char path[PATH_MAX], buffer[4096];
	struct mntent mount;
	bool found = false;
	FILE *mounts;

	snprintf(path, sizeof(path), "%s/proc/self/mounts", root);
	mounts = setmntent(path, "re");
	while (mounts && getmntent_r(mounts, &mount, buffer, sizeof(buffer)))
		found |= streq(mount.mnt_type, "hugetlbfs") && hasmntopt(&mount, "rw") &&
			 page_size_of(&mount) == page;
	if (mounts)
		endmntent(mounts);
	return found;
}

int placement_check_pages(const char *root, uint64_t page, uint64_t memory, struct failure *failure)
{
	uint64_t wanted, available;

	if (!page || !read_free(root, page, &available))
		return failure_set(failure, EXIT_UNAVAILABLE, -ENODEV,
				   "[guest] hugepages: this kernel has no huge pages of %llu kB; "
				   "/sys/kernel/mm/hugepages lists its sizes",
				   (ull)page >> 10);
	if (!is_mounted(root, page))
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENOENT,
			"[guest] hugepages: no hugetlbfs with pages of %llu kB is mounted: "
			"start the container with -v /dev/hugepages:/dev/hugepages",
			(ull)page >> 10);
	wanted = (memory << 20) / page + ((memory << 20) % page != 0);
	if (available < wanted)
		return failure_set(
			failure, EXIT_UNAVAILABLE, -ENOMEM,
			"[guest] hugepages: the guest needs %llu huge pages of %llu kB, and "
			"%llu are free: on the host, raise "
			"/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
			(ull)wanted, (ull)page >> 10, (ull)available, (ull)page >> 10);
	return 0;
}

/** may_pin() - Does this container have SYS_NICE? */
static bool may_pin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE));
}

int placement_check_pin(const cpu_set_t *pin, struct failure *failure)
{
	cpu_set_t allowed, both;
	char list[512], forbidden[512];

	if (!CPU_COUNT(pin))
		return 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
		CPU_AND(&both, pin, &allowed);
		if (!CPU_EQUAL(&both, pin)) {
			CPU_XOR(&both, &both, pin);
			return failure_set(
				failure, EXIT_CONFIG, -EINVAL,
				"[guest] pin: the container may not use the processors %s: it has "
				"%s; choose out of these, or change its --cpuset-cpus",
				processors_text(&both, forbidden, sizeof(forbidden)),
				processors_text(&allowed, list, sizeof(list)));
		}
	}
	if (!may_pin())
		return failure_set(
			failure, EXIT_UNAVAILABLE, -EPERM,
			"[guest] pin: needs the capability SYS_NICE: start the container "
			"with --cap-add SYS_NICE");
	return 0;
}

cpu_set_t placement_of(const cpu_set_t *pin, unsigned i, unsigned n)
{
	cpu_set_t set;

	if ((unsigned)CPU_COUNT(pin) < n)
		return *pin;
	CPU_ZERO(&set);
	for (unsigned processor = 0; processor < CPU_SETSIZE; processor++) {
		if (CPU_ISSET(processor, pin) && i-- == 0) {
			CPU_SET(processor, &set);
			break;
		}
	}
	return set;
}

cpu_set_t placement_of_rest(const cpu_set_t *pin, unsigned n)
{
	cpu_set_t rest = *pin;

	if ((unsigned)CPU_COUNT(pin) <= n)
		return rest;
	for (unsigned processor = 0; n; processor++) {
		if (CPU_ISSET(processor, pin)) {
			CPU_CLR(processor, &rest);
			n--;
		}
	}
	return rest;
}
