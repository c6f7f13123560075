/* The table of forwards: what the writer writes is what the reader reads, at one moment or noticed;
 * and whatever somebody passes as a table, the reader neither believes it nor falls. */
#include "lib/forward_table.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static const struct forward forwards[] = {
	{ IPPROTO_TCP, 3389, 3389, 3389, false, 1 },
	{ IPPROTO_UDP, 5000, 5010, 6000, false, 2 },
	{ IPPROTO_UDP, 1, 65535, 1, true, 3 },
};

static unsigned count_fds(void)
{
	autoclosedir DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	return n;
}

/* As the writer makes it, or wrong in one respect. */
static int make_memory(const struct forward_table_header *header, size_t size, unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (size >= sizeof(*header))
		assert_int_equal(pwrite(fd, header, sizeof(*header), 0), sizeof(*header));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct forward_table_header good_header(uint32_t n)
{
	return (struct forward_table_header){ .magic = FORWARD_TABLE_MAGIC,
					      .version = FORWARD_TABLE_VERSION,
					      .n = n };
}

static size_t size_of(size_t n)
{
	return sizeof(struct forward_table_header) + n * sizeof(struct forward_table_row);
}

static void test_round_trip(void **state)
{
	const struct forward_count counts[] = { { 1, 2, 3, 4 },
						{ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
						{ 0, 9, 0, 9 } };
	unsigned before = count_fds();
	struct forward_table *table = NULL;
	struct forward_table_reader reader;
	struct forward_count count;
	struct forward forward;

	(void)state;
	assert_int_equal(forward_table_create(forwards, ARRAY_SIZE(forwards), &table), 0);
	assert_int_equal(fcntl(forward_table_fd(table), F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(forward_table_fd(table), F_GET_SEALS), SEALS);
	assert_int_equal(forward_table_accept(forward_table_fd(table)), 0);
	for (int round = 0; round < 2; round++) {
		if (round)
			forward_table_update(table, counts, 77);
		assert_int_equal(forward_table_begin(&reader, forward_table_fd(table)), 0);
		assert_int_equal(reader.n, ARRAY_SIZE(forwards));
		assert_int_equal(reader.repairs, round ? 77 : 0);
		for (size_t i = 0; i < ARRAY_SIZE(forwards); i++) {
			const struct forward_count none = { 0 };

			assert_true(forward_table_next(&reader, &forward, &count));
			assert_int_equal(forward.proto, forwards[i].proto);
			assert_int_equal(forward.listen_first, forwards[i].listen_first);
			assert_int_equal(forward.listen_last, forwards[i].listen_last);
			assert_int_equal(forward.guest_first, forwards[i].guest_first);
			assert_int_equal(forward.all, forwards[i].all);
			assert_memory_equal(&count, round ? &counts[i] : &none, sizeof(count));
		}
		assert_false(forward_table_next(&reader, &forward, &count));
		assert_false(forward_table_next(&reader, &forward, &count));
		assert_false(forward_table_is_torn(&reader));
		forward_table_rewind(&reader);
		assert_true(forward_table_next(&reader, &forward, &count));
		assert_int_equal(forward.listen_first, 3389);
	}
	forward_table_free(table);
	forward_table_free(NULL);
	assert_int_equal(count_fds(), before);
}

/* From none to every port of both protocols, around the bounds of a batch. */
static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 128, 10000, FORWARD_TABLE_MAX };
	struct forward *many = calloc(FORWARD_TABLE_MAX + 1, sizeof(*many));
	struct forward_table *table = NULL, *const sentinel = (struct forward_table *)&table;
	struct forward_table_reader reader;
	struct forward_count count;
	struct forward forward;

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i <= FORWARD_TABLE_MAX; i++)
		many[i] = (struct forward){ i % 2 ? IPPROTO_TCP : IPPROTO_UDP, 7, 7, 7, false, 1 };
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = 0;

		assert_int_equal(forward_table_create(many, sizes[i], &table), 0);
		assert_int_equal(forward_table_begin(&reader, forward_table_fd(table)), 0);
		while (forward_table_next(&reader, &forward, &count))
			n++;
		assert_int_equal(n, sizes[i]);
		assert_false(forward_table_is_torn(&reader));
		forward_table_free(table);
	}
	table = sentinel;
	assert_int_equal(forward_table_create(many, FORWARD_TABLE_MAX + 1, &table), -E2BIG);
	assert_ptr_equal(table, sentinel);
	free(many);
}

/* A reader's descriptor outlives the writer, and nobody can shorten what it reads. */
static void test_outlives_the_writer(void **state)
{
	struct forward_table *table = NULL;
	struct forward_table_reader reader;
	struct forward_count count;
	struct forward forward;
	autoclose int fd = -1;

	(void)state;
	assert_int_equal(forward_table_create(forwards, ARRAY_SIZE(forwards), &table), 0);
	fd = dup(forward_table_fd(table));
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	forward_table_free(table);
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_true(forward_table_next(&reader, &forward, &count));
}

static void is_refused(int fd, int expected)
{
	struct forward_table_reader reader;

	assert_int_equal(forward_table_accept(fd), expected);
	assert_int_equal(forward_table_begin(&reader, fd), expected);
	if (fd >= 0)
		close(fd);
}

static void test_hostile_kinds(void **state)
{
	char path[] = "/tmp/casement-test.XXXXXX", in_memory[] = "/dev/shm/casement-test.XXXXXX";
	struct forward_table *table = NULL;
	unsigned before = count_fds();
	char self[64];
	int fds[2];

	(void)state;
	is_refused(-1, -EBADF);
	is_refused(12345, -EBADF);
	/* A read from a pipe would wait for ever. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	is_refused(fds[0], -EINVAL);
	is_refused(fds[1], -EINVAL);
	is_refused(mkstemp(path), -EINVAL);
	unlink(path);
	/* It is memory, but without seals. */
	is_refused(mkstemp(in_memory), -EPERM);
	unlink(in_memory);
	is_refused(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -EINVAL);
	is_refused(open("/dev/zero", O_RDONLY | O_CLOEXEC), -EINVAL);
	/* A table that cannot be read by whoever has this descriptor. */
	assert_int_equal(forward_table_create(forwards, 1, &table), 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", forward_table_fd(table));
	is_refused(open(self, O_WRONLY | O_CLOEXEC), -EBADF);
	is_refused(open(self, O_PATH | O_CLOEXEC), -EBADF);
	forward_table_free(table);
	assert_int_equal(count_fds(), before);
}

static void test_hostile_headers(void **state)
{
	struct forward_table_header good = good_header(3), header;

	(void)state;
	is_refused(make_memory(&good, size_of(3), SEALS), 0);
	is_refused(make_memory(&good, size_of(3), F_SEAL_SHRINK), 0);
	is_refused(make_memory(&good, size_of(3), 0), -EPERM);
	is_refused(make_memory(&good, size_of(3), F_SEAL_GROW | F_SEAL_WRITE), -EPERM);
	is_refused(make_memory(&good, 0, SEALS), -EBADMSG);
	is_refused(make_memory(&good, sizeof(good) - 1, SEALS), -EBADMSG);
	/* Its rows are not there, not all of them, or more of them than it says. */
	is_refused(make_memory(&good, sizeof(good), SEALS), -EMSGSIZE);
	is_refused(make_memory(&good, size_of(3) - 1, SEALS), -EMSGSIZE);
	is_refused(make_memory(&good, size_of(4), SEALS), -EMSGSIZE);
	header = good_header(UINT32_MAX);
	is_refused(make_memory(&header, size_of(3), SEALS), -EMSGSIZE);
	header = good_header(FORWARD_TABLE_MAX + 1);
	is_refused(make_memory(&header, size_of(FORWARD_TABLE_MAX + 1), SEALS), -EMSGSIZE);
	header = good;
	header.magic++;
	is_refused(make_memory(&header, size_of(3), SEALS), -EBADMSG);
	header = good;
	header.version++;
	is_refused(make_memory(&header, size_of(3), SEALS), -EPROTONOSUPPORT);
}

static void test_bad_rows(void **state)
{
	static const struct forward_table_row rows[] = {
		{ .proto = IPPROTO_TCP, .listen_first = 5, .listen_last = 5, .guest_first = 5 },
		{ .proto = 0 },
		{ .proto = IPPROTO_ICMP, .listen_first = 5, .listen_last = 5, .guest_first = 5 },
		{ .proto = IPPROTO_TCP, .listen_first = 0, .listen_last = 5, .guest_first = 5 },
		{ .proto = IPPROTO_TCP, .listen_first = 6, .listen_last = 5, .guest_first = 5 },
		{ .proto = IPPROTO_TCP, .listen_first = 5, .listen_last = 5, .guest_first = 0 },
		{ .proto = IPPROTO_TCP, .listen_first = 1, .listen_last = 3, .guest_first = 65534 },
		{ .proto = IPPROTO_TCP,
		  .all = 2,
		  .listen_first = 5,
		  .listen_last = 5,
		  .guest_first = 5 },
		{ .proto = 1, .all = 1 },
		{ .proto = IPPROTO_UDP, .all = 1 },
		{ .proto = IPPROTO_UDP, .listen_first = 1, .listen_last = 2, .guest_first = 65534 },
		{ .proto = IPPROTO_UDP, .listen_first = 1, .listen_last = 65535, .guest_first = 1 },
	};
	struct forward_table_header header = good_header(ARRAY_SIZE(rows));
	autoclose int fd = make_memory(&header, size_of(ARRAY_SIZE(rows)), SEALS);
	struct forward_table_reader reader;
	struct forward_count count;
	struct forward forward;

	(void)state;
	assert_int_equal(pwrite(fd, rows, sizeof(rows), sizeof(header)), sizeof(rows));
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_int_equal(reader.n, ARRAY_SIZE(rows));
	assert_true(forward_table_next(&reader, &forward, &count));
	assert_int_equal(forward.listen_first, 5);
	assert_true(forward_table_next(&reader, &forward, &count));
	assert_true(forward.all);
	assert_true(forward_table_next(&reader, &forward, &count));
	assert_int_equal(forward.guest_first, 65534);
	assert_true(forward_table_next(&reader, &forward, &count));
	assert_int_equal(forward.listen_last, 65535);
	assert_false(forward_table_next(&reader, &forward, &count));
}

/* A writer that changes what it has shown in the midst of the reading. */
static void test_changing(void **state)
{
	struct forward_table_header header = good_header(3);
	const struct forward_table_row row = { .proto = IPPROTO_TCP, .all = 1 };
	autoclose int fd = make_memory(&header, size_of(3), SEALS);
	struct forward_table_reader reader;
	struct forward_count count;
	struct forward forward;

	(void)state;
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	header.n = UINT32_MAX;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_false(forward_table_next(&reader, &forward, &count));
	assert_true(forward_table_is_torn(&reader));
	header.n = 3;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(pwrite(fd, &row, sizeof(row), (off_t)size_of(2)), sizeof(row));
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_true(forward_table_next(&reader, &forward, &count));
	/* Holes are rows of zeros, which are none. */
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)size_of(0), 3 * sizeof(row)),
			 0);
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_false(forward_table_next(&reader, &forward, &count));
}

static void test_torn(void **state)
{
	const struct forward_count counts[ARRAY_SIZE(forwards)] = { 0 };
	struct forward_table *table = NULL;
	struct forward_table_reader reader;
	const uint32_t odd = 7;
	int fd;

	(void)state;
	assert_int_equal(forward_table_create(forwards, ARRAY_SIZE(forwards), &table), 0);
	fd = forward_table_fd(table);
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_false(forward_table_is_torn(&reader));
	forward_table_update(table, counts, 0);
	assert_true(forward_table_is_torn(&reader));
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_false(forward_table_is_torn(&reader));
	/* A writer that was stopped in mid-work, or died. */
	assert_int_equal(pwrite(fd, &odd, sizeof(odd),
				offsetof(struct forward_table_header, sequence)),
			 sizeof(odd));
	assert_int_equal(forward_table_begin(&reader, fd), 0);
	assert_true(forward_table_is_torn(&reader));
	forward_table_free(table);
}

/* What a reader finds while the writer is in the middle of its counters. */
static struct {
	int fd;
	void *page; /* that the writer cannot read before we have looked */
	size_t size;
	int begun;
	bool torn;
} look;

static void look_at_table(int number)
{
	struct forward_table_reader reader;

	(void)number;
	look.begun = forward_table_begin(&reader, look.fd);
	look.torn = forward_table_is_torn(&reader);
	mprotect(look.page, look.size, PROT_READ);
}

/* The second half of the new counters is on a page that faults: the writer stops there. */
static void test_in_the_middle(void **state)
{
	const struct sigaction looking = { .sa_handler = look_at_table };
	const size_t page = (size_t)sysconf(_SC_PAGESIZE),
		     n = 2 * page / sizeof(struct forward_count);
	struct forward *many = calloc(n, sizeof(*many));
	struct forward_count *counts =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct forward_table_reader reader;
	struct forward_table *table = NULL;
	struct sigaction before;

	(void)state;
	assert_non_null(many);
	assert_ptr_not_equal(counts, MAP_FAILED);
	assert_int_equal(forward_table_create(many, n, &table), 0);
	look.fd = forward_table_fd(table);
	look.page = (char *)counts + page;
	look.size = page;
	look.begun = 1;
	assert_int_equal(mprotect(look.page, page, PROT_NONE), 0);
	assert_int_equal(sigaction(SIGSEGV, &looking, &before), 0);
	forward_table_update(table, counts, 1);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(look.begun, 0);
	assert_true(look.torn);
	assert_int_equal(forward_table_begin(&reader, look.fd), 0);
	assert_false(forward_table_is_torn(&reader));
	munmap(counts, 2 * page);
	forward_table_free(table);
	free(many);
}

/* Writes all counters as one number, then the next. */
__attribute__((noreturn)) static void write_for_ever(struct forward_table *table, size_t n)
{
	struct forward_count *counts = calloc(n, sizeof(*counts));

	/* A test that fails does not get as far as to end it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!counts)
		_exit(1);
	for (uint64_t round = 1;; round++) {
		for (size_t i = 0; i < n; i++)
			counts[i] = (struct forward_count){ round, round, round, round };
		forward_table_update(table, counts, round);
		usleep(20);
	}
}

/* A real writer beside a real reader: what is not torn is of one moment. */
static void test_beside_a_writer(void **state)
{
	static struct forward many[300];
	struct forward_table *table = NULL;
	struct forward_table_reader reader;
	unsigned whole = 0;
	int wait_status;
	pid_t writer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct forward){ IPPROTO_TCP, 9, 9, 9, false, 1 };
	assert_int_equal(forward_table_create(many, ARRAY_SIZE(many), &table), 0);
	writer = fork();
	if (writer == 0)
		write_for_ever(table, ARRAY_SIZE(many));
	for (uint64_t last = 0; whole < 200 || last < 100;) {
		struct forward_count count;
		struct forward forward;
		bool same = true;
		size_t n = 0;

		assert_int_equal(forward_table_begin(&reader, forward_table_fd(table)), 0);
		for (; forward_table_next(&reader, &forward, &count); n++)
			same = same && count.packets_in == reader.repairs &&
			       count.bytes_out == reader.repairs;
		assert_int_equal(n, ARRAY_SIZE(many));
		if (forward_table_is_torn(&reader))
			continue;
		assert_true(same);
		assert_true(reader.repairs >= last);
		last = reader.repairs;
		whole++;
	}
	kill(writer, SIGKILL);
	assert_int_equal(waitpid(writer, &wait_status, 0), writer);
	assert_true(WIFSIGNALED(wait_status));
	forward_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_outlives_the_writer),
		cmocka_unit_test(test_hostile_kinds),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_bad_rows),
		cmocka_unit_test(test_changing),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_in_the_middle),
		cmocka_unit_test(test_beside_a_writer),
	};

	return cmocka_run_group_tests_name("forward_table", tests, NULL, NULL);
}
