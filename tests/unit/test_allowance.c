/* What the container may use, read from made-up trees of proc and sys. */
#include "lib/allowance.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define MEMINFO "MemTotal:       24683656 kB\nMemFree:        14077140 kB\n"
#define HOST (UINT64_C(24683656) << 10)
#define V2(mount_root)                                                                           \
	"30 23 0:26 " mount_root " /sys/fs/cgroup ro,nosuid shared:9 master:1 - cgroup2 cgroup " \
	"rw\n"
#define V1(mount_root, controller)                             \
	"83 82 0:29 " mount_root " /sys/fs/cgroup/" controller \
	" ro,nosuid - cgroup cgroup rw," controller "\n"

static char root[64];
static struct allowance found;

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/casement-allowance.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
	autofclose FILE *file = NULL;
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
		*at = '/';
	}
	file = fopen(whole, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static void tree(const char *mountinfo, const char *cgroup)
{
	put("/proc/meminfo", MEMINFO);
	put("/proc/self/mountinfo", mountinfo);
	put("/proc/self/cgroup", cgroup);
}

static void look(void)
{
	memset(&found, 0xa5, sizeof(found));
	allowance_read(root, &found);
}

static void expect(uint64_t memory, unsigned quota)
{
	look();
	assert_true(found.memory == memory);
	assert_int_equal(found.quota, quota);
	assert_true(found.host_memory == HOST);
}

/* Docker with version 2: a namespace of its own, so the group is the root of the mount. */
static void v2_docker(void **state)
{
	(void)state;
	tree(V2("/"), "0::/\n");
	put("/sys/fs/cgroup/memory.max", "1073741824\n");
	put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
	expect(GIB, 2);
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	expect(GIB, 2);
	put("/sys/fs/cgroup/cpu.max", "1000 100000\n");
	expect(GIB, 1);
	put("/sys/fs/cgroup/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/memory.max", "max\n");
	expect(UINT64_MAX, UINT_MAX);
}

/* The tightest of our group and of all above it. */
static void v2_nested(void **state)
{
	(void)state;
	tree(V2("/"), "0::/pod/box/init\n");
	put("/sys/fs/cgroup/pod/memory.max", "2147483648\n");
	put("/sys/fs/cgroup/pod/box/memory.max", "3221225472\n");
	put("/sys/fs/cgroup/pod/box/init/memory.max", "max\n");
	put("/sys/fs/cgroup/pod/cpu.max", "600000 100000\n");
	put("/sys/fs/cgroup/pod/box/cpu.max", "250000 50000\n");
	put("/sys/fs/cgroup/pod/box/init/cpu.max", "3000000 100000\n");
	/* Somebody else's. */
	put("/sys/fs/cgroup/pod/other/memory.max", "1048576\n");
	put("/sys/fs/cgroup/pod/other/cpu.max", "1 100000\n");
	expect(2 * GIB, 5);
}

/* Without a namespace both files have the path on the host; the mount hides what is above. */
static void v2_host_paths(void **state)
{
	(void)state;
	tree(V2("/docker/e196"), "0::/docker/e196/sub\n");
	put("/sys/fs/cgroup/memory.max", "4294967296\n");
	put("/sys/fs/cgroup/sub/memory.max", "1073741824\n");
	put("/sys/fs/cgroup/docker/e196/memory.max", "1048576\n"); /* not ours */
	expect(GIB, UINT_MAX);
	/* A name that merely begins like ours; what is mounted at the usual place is ours even so.
	 */
	tree(V2("/docker/e19"), "0::/docker/e196/sub\n");
	expect(4 * GIB, UINT_MAX);
	tree(V2("/.."), "0::/sub\n");
	expect(4 * GIB, UINT_MAX);
	put("/sys/fs/memory.max", "1048576\n"); /* no group at all */
	tree(V2("/"), "0::/../sub\n");
	expect(4 * GIB, UINT_MAX);
}

/* Docker with version 1, as on Debian 10 to 12 when told so: no namespace. */
static void v1_docker(void **state)
{
	(void)state;
	tree(V1("/docker/e196", "cpu") V1("/docker/e196", "cpuacct") V1("/docker/e196", "memory"),
	     "4:memory:/docker/e196\n2:cpuacct:/docker/e196\n1:cpu:/docker/e196\n0::/docker/"
	     "e196\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "120000\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	expect(GIB, 2);
	/* No limit: the biggest number of pages, and -1. */
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	expect(UINT64_MAX, UINT_MAX);
	put("/proc/meminfo", "nobody knows\n");
	look();
	assert_true(found.memory == UINT64_MAX);
	put("/proc/meminfo", MEMINFO);
	/* One above the mount, which a pod may have. */
	put("/sys/fs/cgroup/memory/memory.stat",
	    "cache 0\nrss 12\nhierarchical_memory_limit 2147483648\nhierarchical_memsw_limit 1\n");
	expect(2 * GIB, UINT_MAX);
}

/* Controllers that share a mount, below a path with a blank, and nested groups. */
static void v1_joint(void **state)
{
	(void)state;
	tree("40 1 0:30 / /cg\\040roups/a rw - cgroup none rw,cpu,cpuacct\n"
	     "41 1 0:31 / /cg\\040roups/b rw - cgroup none rw,hugetlb,memory\n",
	     "5:cpuacct,cpu:/x/y\n3:memory,hugetlb:/x/y\n1:name=systemd:/x\n");
	put("/cg roups/a/x/cpu.cfs_quota_us", "300000\n");
	put("/cg roups/a/x/cpu.cfs_period_us", "100000\n");
	put("/cg roups/a/x/y/cpu.cfs_quota_us", "-1\n");
	put("/cg roups/a/x/y/cpu.cfs_period_us", "100000\n");
	put("/cg roups/b/x/memory.limit_in_bytes", "536870912\n");
	put("/cg roups/b/x/y/memory.limit_in_bytes", "9223372036854771712\n");
	expect(512 * MIB, 3);
	/* Another group's mount, at no usual place, says nothing about us. */
	tree("41 1 0:31 /z /cg\\040roups/b/x rw - cgroup none rw,memory\n", "3:memory:/x/y\n");
	expect(UINT64_MAX, UINT_MAX);
}

/* Version 1 with an empty version 2 beside it; and the other way round. */
static void hybrid(void **state)
{
	(void)state;
	tree("41 1 0:40 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n" V1("/", "memory"),
	     "4:memory:/a\n0::/b\n");
	put("/sys/fs/cgroup/unified/b/cgroup.procs", "1\n");
	put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
	expect(GIB, UINT_MAX);
	put("/sys/fs/cgroup/unified/b/memory.max", "536870912\n");
	expect(512 * MIB, UINT_MAX);
}

static void nothing_there(void **state)
{
	(void)state;
	look();
	assert_true(found.memory == UINT64_MAX && found.host_memory == 0);
	assert_int_equal(found.quota, UINT_MAX);
	put("/proc/meminfo", MEMINFO);
	expect(UINT64_MAX, UINT_MAX);
	/* A mount without groups, groups without a mount. */
	tree(V2("/"), "");
	expect(UINT64_MAX, UINT_MAX);
	tree("", "0::/a\n");
	expect(UINT64_MAX, UINT_MAX);
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
	tree("1 2 0:3 / /sys/fs/cgroup/memory rw - tmpfs none rw,memory\n", "3:memory:/\n");
	expect(UINT64_MAX, UINT_MAX);
}

static void garbage(void **state)
{
	static const char *const mounts[] = {
		"\n",
		"-\n",
		"1 2 3 4 5 6\n",
		"1 2 3 / /sys/fs/cgroup rw - cgroup2\n",
		"1 2 3 / /sys/fs/cgroup rw - cgroup2 none\n",
		"1 2 3 / /sys/fs/cgroup rw a b c\n",
		"1 2 3 / /sys/fs/cgroup rw -\n",
		"        - cgroup2  rw\n",
	};
	static const char *const limits[] = { "",     "\n",	"much\n", "-5\n",
					      "1G\n", "0x10\n", " 12\n",  "1073741824kB\n" };
	static const char *const shares[] = { "",      "100000\n",     "100000 0\n", "0 100000\n",
					      "a b\n", "100000 max\n", "-1 100000\n" };

	(void)state;
	put("/sys/fs/cgroup/memory.max", "1073741824\n");
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		tree(mounts[i], "0::/\n");
		expect(UINT64_MAX, UINT_MAX);
	}
	tree(V2("/"), "nonsense\n0:\n:\n0::/\n");
	expect(GIB, UINT_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		put("/sys/fs/cgroup/memory.max", limits[i]);
		expect(UINT64_MAX, UINT_MAX);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
		put("/sys/fs/cgroup/cpu.max", shares[i]);
		expect(UINT64_MAX, UINT_MAX);
	}
	put("/proc/meminfo", "MemTotal:\tmuch\n");
	look();
	assert_true(found.host_memory == 0);
}

static void huge(void **state)
{
	(void)state;
	tree(V2("/"), "0::/\n");
	put("/sys/fs/cgroup/memory.max", "99999999999999999999999999999999\n");
	expect(UINT64_MAX, UINT_MAX);
	put("/sys/fs/cgroup/memory.max", "18446744073709551620\n"); /* 2^64 + 4 */
	expect(UINT64_MAX, UINT_MAX);
	put("/sys/fs/cgroup/memory.max", "18446744073709551619\n");
	put("/sys/fs/cgroup/cpu.max", "18446744073709551615 1\n");
	expect(UINT64_MAX, UINT_MAX);
	put("/sys/fs/cgroup/cpu.max", "18446744073709551615 18446744073709551615\n");
	expect(UINT64_MAX, 1);
	/* A limit above what there is is none. */
	put("/sys/fs/cgroup/memory.max", "1099511627776\n");
	expect(UINT64_MAX, 1);
	put("/proc/meminfo", "MemTotal: 18446744073709551615 kB\n");
	look();
	assert_true(found.host_memory == 0 && found.memory == UINT64_C(1) << 40);
}

/* A path that is longer than any. */
static void long_paths(void **state)
{
	autofree char *text = calloc(1, 3 * PATH_MAX);

	(void)state;
	assert_non_null(text);
	strcpy(text, "0::");
	for (size_t i = 3; i < 2 * PATH_MAX; i += 2)
		memcpy(text + i, "/a", 2);
	tree(V2("/"), text);
	put("/sys/fs/cgroup/memory.max", "1073741824\n");
	expect(UINT64_MAX, UINT_MAX);
}

static void processors(void **state)
{
	cpu_set_t before, one;
	size_t cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	look();
	assert_int_equal(found.processors, CPU_COUNT(&before));
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	look();
	assert_int_equal(found.processors, 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(v2_docker, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v2_nested, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v2_host_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v1_docker, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v1_joint, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hybrid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(huge, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(processors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
