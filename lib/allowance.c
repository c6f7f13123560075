/*
 * /proc/self/mountinfo says where the hierarchies are, /proc/self/cgroup which group of each we are
 * in. There may be two versions at once, and a controller is in one of them only, so nothing is
 * decided: each limit that is found counts.
 *
 * What a container sees of a hierarchy is a mount of some group of it. With a cgroup namespace both
 * files begin at that group; without one both have its path on the host. Either way the group is
 * found by what follows the mount's root in our path. The groups above the mount are out of sight,
 * but a v1 memory group tells of their limits, too (hierarchical_memory_limit).
 *
 * Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
 */
#include "lib/allowance.h"

#include "lib/util.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

/* Where hierarchies are by convention: a group whose path does not match is taken for ours here. */
#define USUAL_PLACE "/sys/fs/cgroup"
/* More than a kernel can have. */
#define MAX_PROCESSORS 16384

/* One line of mountinfo: proc_pid_mountinfo(5). */
struct mount {
	char *root;
	char *point;
	const char *type;
	char *options; /* of the file system: v1 has its controllers there */
};

/** read_text() - The beginning of a small file. Return: false if there is nothing. */
static bool read_text(const char *directory, const char *name, size_t size, char *ret_text)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
	autoclose int fd = -1;
	ssize_t n;

	if (length < 0 || (size_t)length >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, ret_text, size - 1);
	if (n <= 0)
		return false;
	ret_text[n] = '\0';
	return true;
}

/** read_number() - A decimal number at *@text; one that is too big is the biggest. */
static bool read_number(const char **text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) {
			number = UINT64_MAX;
			at += strspn(at, "0123456789");
			break;
		}
	}
	if (at == *text || (*at && !strchr(" \t\n", *at)))
		return false;
	*text = at + strspn(at, " \t\n");
	*ret_number = number;
	return true;
}

/** lower_memory() - Take the limit that @text is; "max" and -1 are none. */
static void lower_memory(struct allowance *allowance, const char *text)
{
	uint64_t limit;

	if (read_number(&text, &limit) && limit < allowance->memory)
		allowance->memory = limit;
}

/** lower_quota() - @quota of each @period: as many processors, the last one in part. */
static void lower_quota(struct allowance *allowance, uint64_t quota, uint64_t period)
{
	uint64_t processors;

	if (!period || !quota)
		return;
	processors = quota / period + (quota % period != 0);
	if (processors < allowance->quota)
		allowance->quota = (unsigned)processors;
}

/** read_v2() - The limits of one group of version 2, which has all controllers. */
static void read_v2(const char *group, struct allowance *allowance)
{
	uint64_t quota, period;
	char text[64];
	const char *at = text;

	if (read_text(group, "memory.max", sizeof(text), text))
		lower_memory(allowance, text);
	if (read_text(group, "cpu.max", sizeof(text), text) && read_number(&at, &quota) &&
	    read_number(&at, &period))
		lower_quota(allowance, quota, period);
}

/** read_v1_memory() - The limits of one group, and of those above it. */
static void read_v1_memory(const char *group, struct allowance *allowance)
{
	static const char word[] = "hierarchical_memory_limit ";
	char text[4096];

	if (read_text(group, "memory.limit_in_bytes", sizeof(text), text))
		lower_memory(allowance, text);
	if (read_text(group, "memory.stat", sizeof(text), text)) {
		const char *found = strstr(text, word);

		if (found)
			lower_memory(allowance, found + sizeof(word) - 1);
	}
}

/** read_v1_cpu() - The limits of one group. */
static void read_v1_cpu(const char *group, struct allowance *allowance)
{
	char quota_text[64], period_text[64];
	const char *quota_at = quota_text, *period_at = period_text;
	uint64_t quota, period;

	if (read_text(group, "cpu.cfs_quota_us", sizeof(quota_text), quota_text) &&
	    read_text(group, "cpu.cfs_period_us", sizeof(period_text), period_text) &&
	    read_number(&quota_at, &quota) && read_number(&period_at, &period))
		lower_quota(allowance, quota, period);
}

typedef void read_group_fn(const char *group, struct allowance *allowance);

/** has_word() - Is @word in a list that is separated by commas? */
static bool has_word(const char *list, size_t length, const char *word)
{
	const char *end = list + length;

	while (list < end) {
		size_t n = 0;

		while (list + n < end && list[n] != ',')
			n++;
		if (n == strlen(word) && strncmp(list, word, n) == 0)
			return true;
		list += n + 1;
	}
	return false;
}

/**
 * find_path() - Our group in the hierarchy of a controller, NULL: that of version 2.
 * @ret_path: allocated
 */
static bool find_path(const char *root, const char *controller, char **ret_path)
{
	char name[PATH_MAX];
	autofclose FILE *file = NULL;
	autofree char *line = NULL;
	size_t size = 0;

	snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	file = fopen(name, "re");
	while (file && getline(&line, &size, file) > 0) {
		const char *list = strchr(line, ':');
		const char *path = list ? strchr(list + 1, ':') : NULL;
		size_t length;

		if (!path)
			continue;
		list++;
		length = (size_t)(path - list);
		if (controller ? !has_word(list, length, controller) : length > 0)
			continue;
		*ret_path = strndup(path + 1, strcspn(path + 1, "\n"));
		return *ret_path != NULL;
	}
	return false;
}

/**
 * path_below() - What of the path of our group is below the mount: "" for the mount itself, NULL if
 * the mount is of no group above ours.
 */
static const char *path_below(const struct mount *mount, const char *path)
{
	size_t length = streq(mount->root, "/") ? 0 : strlen(mount->root);

	/* Outside of our namespace: the kernel writes `..` then, and nobody knows of what. */
	if (!strstr(path, "/..") && strncmp(path, mount->root, length) == 0 &&
	    (!path[length] || path[length] == '/'))
		return streq(path + length, "/") ? "" : path + length;
	return strncmp(mount->point, USUAL_PLACE, sizeof(USUAL_PLACE) - 1) == 0 ? "" : NULL;
}

/** read_groups() - Our group of a mounted hierarchy and all above it. */
static void read_groups(const char *root, const struct mount *mount, const char *controller,
			read_group_fn *read_group, struct allowance *allowance)
{
	autofree char *path = NULL;
	const char *below = NULL;
	char group[PATH_MAX];
	size_t base;
	int length;

	if (find_path(root, controller, &path))
		below = path_below(mount, path);
	if (!below)
		return;
	base = strlen(root) + strlen(mount->point);
	length = snprintf(group, sizeof(group), "%s%s%s", root, mount->point, below);
	if (length < 0 || (size_t)length >= sizeof(group))
		return;
	for (;;) {
		read_group(group, allowance);
		if (strlen(group) <= base)
			return;
		*strrchr(group, '/') = '\0';
	}
}

/** unescape() - Blanks and the like are written as \ooo in mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/** parse_mount() - Take a line apart, in place. */
static bool parse_mount(char *line, struct mount *ret_mount)
{
	char *rest = line, *field[6];

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strsep(&rest, " ");
		if (!rest)
			return false;
	}
	/* Optional fields, ended by a hyphen. */
	for (const char *word = strsep(&rest, " "); !streq(word, "-"); word = strsep(&rest, " ")) {
		if (!rest)
			return false;
	}
	if (!rest)
		return false;
	ret_mount->root = field[3];
	ret_mount->point = field[4];
	ret_mount->type = strsep(&rest, " ");
	if (!rest || !strsep(&rest, " ") || !rest)
		return false;
	ret_mount->options = rest;
	rest[strcspn(rest, "\n")] = '\0';
	unescape(ret_mount->root);
	unescape(ret_mount->point);
	return true;
}

static void read_hierarchies(const char *root, struct allowance *allowance)
{
	char name[PATH_MAX];
	autofclose FILE *file = NULL;
	autofree char *line = NULL;
	struct mount mount;
	size_t size = 0;

	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	file = fopen(name, "re");
	while (file && getline(&line, &size, file) > 0) {
		size_t length;

		if (!parse_mount(line, &mount))
			continue;
		length = strlen(mount.options);
		if (streq(mount.type, "cgroup2"))
			read_groups(root, &mount, NULL, read_v2, allowance);
		if (!streq(mount.type, "cgroup"))
			continue;
		if (has_word(mount.options, length, "memory"))
			read_groups(root, &mount, "memory", read_v1_memory, allowance);
		if (has_word(mount.options, length, "cpu"))
			read_groups(root, &mount, "cpu", read_v1_cpu, allowance);
	}
}

/** read_host_memory() - Return: bytes, 0 if nobody says. */
static uint64_t read_host_memory(const char *root)
{
	static const char word[] = "MemTotal:";
	char text[256], directory[PATH_MAX];
	const char *at;
	uint64_t kib;

	snprintf(directory, sizeof(directory), "%s/proc", root);
	if (!read_text(directory, "meminfo", sizeof(text), text))
		return 0;
	at = strstr(text, word);
	if (!at)
		return 0;
	at += sizeof(word) - 1;
	at += strspn(at, " \t");
	return read_number(&at, &kib) && kib <= UINT64_MAX / 1024 ? kib * 1024 : 0;
}

/** count_processors() - Those of our cpuset, as the kernel has put it into our affinity. */
static unsigned count_processors(void)
{
	size_t size = CPU_ALLOC_SIZE(MAX_PROCESSORS);
	cpu_set_t *set = CPU_ALLOC(MAX_PROCESSORS);
	int n = 0;

	if (set && sched_getaffinity(0, size, set) == 0)
		n = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return n > 0 ? (unsigned)n : UINT_MAX;
}

void allowance_read(const char *root, struct allowance *ret_allowance)
{
	struct allowance allowance = { .memory = UINT64_MAX, .quota = UINT_MAX };

	read_hierarchies(root, &allowance);
	allowance.host_memory = read_host_memory(root);
	allowance.processors = count_processors();
	/* So version 1 writes that there is none: the biggest number of whole pages. */
	if (allowance.memory >= INT64_MAX - 65536 ||
	    (allowance.host_memory && allowance.memory >= allowance.host_memory))
		allowance.memory = UINT64_MAX;
	*ret_allowance = allowance;
}
