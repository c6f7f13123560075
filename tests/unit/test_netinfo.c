/* The network's file: what is written is read back, and nothing half-right is taken. */
#include "lib/netinfo.h"
#include "lib/util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static char directory[64], path[128];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-netinfo.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/network.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct netinfo example(bool ipv6)
{
	struct netinfo info = { .bridge = "virbr1", .prefix = 24, .mtu = 1450 };

	inet_pton(AF_INET, "192.168.121.1", &info.address);
	inet_pton(AF_INET, "192.168.121.68", &info.guest_address);
	if (ipv6) {
		info.ipv6 = true;
		info.prefix6 = 64;
		inet_pton(AF_INET6, "fd00:1:2:3::1", &info.address6);
		inet_pton(AF_INET6, "fd00:1:2:3::44", &info.guest_address6);
	}
	return info;
}

static void assert_same(const struct netinfo *a, const struct netinfo *b)
{
	assert_string_equal(a->bridge, b->bridge);
	assert_int_equal(a->address.s_addr, b->address.s_addr);
	assert_int_equal(a->prefix, b->prefix);
	assert_int_equal(a->guest_address.s_addr, b->guest_address.s_addr);
	assert_int_equal(a->ipv6, b->ipv6);
	assert_memory_equal(&a->address6, &b->address6, sizeof(a->address6));
	assert_int_equal(a->prefix6, b->prefix6);
	assert_memory_equal(&a->guest_address6, &b->guest_address6, sizeof(a->guest_address6));
	assert_int_equal(a->mtu, b->mtu);
}

static void put(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_round_trip(void **state)
{
	struct netinfo info, read;
	struct stat st;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		info = example(ipv6);
		assert_int_equal(netinfo_write(path, &info), 0);
		assert_int_equal(netinfo_read(path, &read), 0);
		assert_same(&info, &read);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

/**
 * test_atomic() - The file is a new one each time, an open reader keeps the old text, nothing
 * temporary stays.
 */
static void test_atomic(void **state)
{
	struct netinfo info = example(false);
	char before[512], after[512];
	ssize_t n_before, n_after;
	struct dirent *entry;
	unsigned files = 0;
	int fd;

	(void)state;
	assert_int_equal(netinfo_write(path, &info), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n_before = pread(fd, before, sizeof(before), 0);
	info.mtu = 9000;
	assert_int_equal(netinfo_write(path, &info), 0);
	n_after = pread(fd, after, sizeof(after), 0);
	close(fd);
	assert_true(n_before > 0);
	assert_int_equal(n_before, n_after);
	assert_memory_equal(before, after, (size_t)n_before);

	autoclosedir DIR *dir = opendir(directory);

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		files += entry->d_name[0] != '.';
	assert_int_equal(files, 1);
}

static void test_write_errors(void **state)
{
	struct netinfo info = example(false);
	char long_path[5000];

	(void)state;
	assert_int_equal(netinfo_write("/nonexistent/network.conf", &info), -ENOENT);
	/*
	 * A directory cannot be replaced; the temporary file is gone afterwards, or rmdir would
	 * fail.
	 */
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(netinfo_write(path, &info), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	memset(long_path, 'x', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(netinfo_write(long_path, &info), -ENAMETOOLONG);
}

static void test_missing(void **state)
{
	struct netinfo info = example(true), untouched = info;

	(void)state;
	assert_int_equal(netinfo_read(path, &info), -ENOENT);
	assert_same(&info, &untouched);
}

#define V4                                                                                         \
	"[network]\nbridge = b\naddress = 10.0.0.1\nprefix = 24\nguest-address = 10.0.0.2\nmtu = " \
	"1500\n"

static void test_unknown_keys(void **state)
{
	struct netinfo info;

	(void)state;
	put(V4 "future = 7\n[other]\naddress = nonsense\n");
	assert_int_equal(netinfo_read(path, &info), 0);
	assert_string_equal(info.bridge, "b");
	assert_false(info.ipv6);
}

static void test_rejected(void **state)
{
	static const char *const texts[] = {
		"",
		"garbage\n" V4,
		V4 "address = 10.0.0\n",
		V4 "prefix = 33\n",
		V4 "prefix = 0\n",
		V4 "prefix = -1\n",
		V4 "prefix = 24x\n",
		V4 "prefix =\n",
		V4 "mtu = 67\n",
		V4 "mtu = 65536\n",
		V4 "mtu = 99999999999999999999999\n",
		V4 "bridge =\n",
		V4 "bridge = sixteen-letters-\n",
		V4 "guest-address = ::1\n",
		V4 "address6 = 10.0.0.1\nprefix6 = 64\nguest-address6 = fd00::2\n",
		/* IPv6 is complete or absent. */
		V4 "address6 = fd00::1\n",
		V4 "prefix6 = 64\n",
		V4 "address6 = fd00::1\nguest-address6 = fd00::2\n",
		/* Each IPv4 key in turn is missing. */
		"[network]\naddress = 10.0.0.1\nprefix = 24\nguest-address = 10.0.0.2\nmtu = "
		"1500\n",
		"[network]\nbridge = b\nprefix = 24\nguest-address = 10.0.0.2\nmtu = 1500\n",
		"[network]\nbridge = b\naddress = 10.0.0.1\nguest-address = 10.0.0.2\nmtu = 1500\n",
		"[network]\nbridge = b\naddress = 10.0.0.1\nprefix = 24\nmtu = 1500\n",
		"[network]\nbridge = b\naddress = 10.0.0.1\nprefix = 24\nguest-address = "
		"10.0.0.2\n",
	};
	struct netinfo info = example(true), untouched = info;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(texts[i]);
		if (netinfo_read(path, &info) != -EBADMSG)
			fail_msg("accepted:\n%s", texts[i]);
		assert_same(&info, &untouched);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_atomic, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_write_errors, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(test_missing, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(test_unknown_keys, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(test_rejected, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
