/* One disk, one container: who has the lock, who is told so, and that nothing but a holder that lives keeps anybody out. */
#include "init/guest/claim.h"
#include "init/guest/plan.h"
#include "lib/log.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[64], disk[96], lock[112], holder[CLAIM_HOLDER_SIZE], said[1024];
static struct claim claim, second;
static struct config config = { .guest = { .name = (char[]){ "windows" }, .disk = disk, .base = disk, .accel = ACCEL_TCG } };
static struct plan plan;
static struct failure failure;
static int lock_errno; /* what locks fail with; 0: they work */

int __real_fcntl(int fd, int command, void *argument);
int __real_fcntl64(int fd, int command, void *argument);
int __wrap_fcntl(int fd, int command, void *argument);
int __wrap_fcntl64(int fd, int command, void *argument);

int __wrap_fcntl(int fd, int command, void *argument)
{
	if (lock_errno && (command == F_OFD_SETLK || command == F_OFD_GETLK)) {
		errno = lock_errno;
		return -1;
	}
	return __real_fcntl(fd, command, argument);
}

int __wrap_fcntl64(int fd, int command, void *argument)
{
	return __wrap_fcntl(fd, command, argument);
}

static void on_log(void *context, enum log_level level, const char *text, size_t length)
{
	(void)context;
	if (level <= LOG_LEVEL_WARNING)
		snprintf(said, sizeof(said), "%.*s", (int)length, text);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-claim.XXXXXX");
	if (!mkdtemp(directory) || chmod(directory, 0755))
		return -1;
	snprintf(disk, sizeof(disk), "%s/windows.qcow2", directory);
	snprintf(lock, sizeof(lock), "%s.lock", disk);
	lock_errno = 0;
	said[0] = '\0';
	plan = (struct plan){ .config = &config };
	failure = (struct failure){ .code = 0 };
	return 0;
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	claim_drop(&claim);
	claim_drop(&second);
	plan_clear(&plan);
	snprintf(path, sizeof(path), "%s.uuid", disk);
	unlink(path);
	unlink(lock);
	unlink(disk);
	return rmdir(directory);
}

/* A raw disk: a sector of what a boot loader leaves. */
static void make_disk(void)
{
	autoclose int fd = open(disk, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pwrite(fd, "\x55\xaa", 2, 510), 2);
}

/* What QEMU does to an image. */
static int lock_byte(int byte)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int fd = open(disk, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
	return fd;
}

static void put(const char *text)
{
	autoclose int fd = open(lock, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void one_at_a_time(void **state)
{
	char host[CLAIM_HOLDER_SIZE];

	(void)state;
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	assert_string_equal(holder, "");
	assert_int_equal(claim_take(lock, &second, holder), -EBUSY);
	assert_false(second.held);
	assert_string_equal(holder, host);
	claim_drop(&claim);
	assert_int_equal(claim_take(lock, &second, holder), 0);
	assert_string_equal(holder, host); /* the last one */
}

static void a_holder_that_was_killed_is_none(void **state)
{
	int pipes[2], status;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		if (claim_take(lock, &claim, holder) == 0 && write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(claim_take(lock, &second, holder), -EBUSY);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(claim_take(lock, &second, holder), 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_holder_is_a_host_name_or_not_known(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "", "" },
		{ "\n", "" },
		{ "3f2a\n", "3f2a" },
		{ "a-b.c_d\nmore", "a-b.c_d" },
		{ "no end", "" },
		{ "\x1b[2Jevil\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(cases[i].text);
		assert_int_equal(claim_take(lock, &claim, holder), 0);
		assert_string_equal(holder, cases[i].name);
		claim_drop(&claim);
	}
	/* One that is longer than names are does not stay in part. */
	put("0123456789012345678901234567890123456789012345678901234567890123456789\n");
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	claim_drop(&claim);
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	assert_in_range(strlen(holder), 1, 63);
}

static void what_is_no_file_is_an_error(void **state)
{
	(void)state;
	make_disk();
	assert_int_equal(symlink(disk, lock), 0);
	assert_int_equal(claim_take(lock, &claim, holder), -ELOOP);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(mkdir(lock, 0755), 0);
	assert_int_equal(claim_take(lock, &claim, holder), -EISDIR);
	assert_int_equal(rmdir(lock), 0);
	assert_int_equal(claim_take("/no/such/lock", &claim, holder), -ENOENT);
}

static void a_writer_is_seen_and_a_reader_is_not(void **state)
{
	int fd;

	(void)state;
	assert_false(claim_written(disk));
	make_disk();
	assert_false(claim_written(disk));
	/* Reads, and does not let others write: a base. */
	fd = lock_byte(100);
	close(fd);
	fd = lock_byte(100);
	int shared = lock_byte(201);
	assert_false(claim_written(disk));
	close(fd);
	close(shared);
	fd = lock_byte(101);
	assert_true(claim_written(disk));
	close(fd);
	assert_false(claim_written(disk));
	/* The lock beside it is another file. */
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	assert_false(claim_written(disk));
}

static void a_plan_claims_its_disk(void **state)
{
	(void)state;
	make_disk();
	assert_int_equal(plan_prepare(&plan, &failure), 0);
	assert_true(plan.claims.of[0].held);
	assert_int_equal(claim_take(lock, &second, holder), -EBUSY);
	plan_clear(&plan);
	assert_int_equal(claim_take(lock, &second, holder), 0);
}

static void a_plan_without_a_disk_leaves_nothing(void **state)
{
	(void)state;
	assert_true(plan_prepare(&plan, &failure) < 0);
	assert_int_equal(access(lock, F_OK), -1);
}

static void a_claimed_disk_is_refused(void **state)
{
	(void)state;
	make_disk();
	put("3f2a\n");
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	assert_int_equal(pwrite(claim.fd, "3f2a\n", 5, 0), 5);
	assert_int_equal(ftruncate(claim.fd, 5), 0);
	assert_int_equal(plan_prepare(&plan, &failure), -EBUSY);
	assert_int_equal(failure.code, EXIT_UNAVAILABLE);
	assert_non_null(strstr(failure.text, disk));
	assert_non_null(strstr(failure.text, "in use by another container, with the host name 3f2a: stop"));
	assert_false(plan.prepared);
}

/* Its casement-guest has died, and its lock with it. */
static void a_disk_that_qemu_writes_to_is_refused(void **state)
{
	int fd;

	(void)state;
	make_disk();
	put("3f2a\n");
	fd = lock_byte(101);
	assert_int_equal(plan_prepare(&plan, &failure), -EBUSY);
	assert_int_equal(failure.code, EXIT_UNAVAILABLE);
	assert_non_null(strstr(failure.text, "a QEMU or a qemu-img writes to it"));
	assert_non_null(strstr(failure.text, "3f2a"));
	/* It does not stand in the way of the one that comes back. */
	assert_false(plan.claims.of[0].held);
	plan_keep_claim(&plan);
	assert_true(plan.claims.of[0].held);
	assert_string_equal(said, "");
	/* What writes to it is its own guest, then. */
	assert_int_equal(plan_prepare(&plan, &failure), 0);
	close(fd);
}

static void a_running_guest_goes_on_without_the_lock(void **state)
{
	(void)state;
	make_disk();
	assert_int_equal(claim_take(lock, &claim, holder), 0);
	plan_keep_claim(&plan);
	assert_false(plan.claims.of[0].held);
	assert_non_null(strstr(said, "has just claimed"));
	/* A domain of somebody's own has other disks. */
	said[0] = '\0';
	plan.verbatim = strdup("<domain/>");
	plan_keep_claim(&plan);
	assert_string_equal(said, "");
}

static void without_locks_there_is_a_warning(void **state)
{
	static const int errors[] = { ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL };

	(void)state;
	make_disk();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		lock_errno = errors[i];
		said[0] = '\0';
		assert_int_equal(plan_prepare(&plan, &failure), 0);
		assert_false(plan.claims.of[0].held);
		assert_non_null(strstr(said, "cannot be locked"));
		assert_non_null(strstr(said, strerror(errors[i])));
		plan_clear(&plan);
		plan.config = &config;
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_at_a_time),
		TEST(a_holder_that_was_killed_is_none),
		TEST(a_holder_is_a_host_name_or_not_known),
		TEST(what_is_no_file_is_an_error),
		TEST(a_writer_is_seen_and_a_reader_is_not),
		TEST(a_plan_claims_its_disk),
		TEST(a_plan_without_a_disk_leaves_nothing),
		TEST(a_claimed_disk_is_refused),
		TEST(a_disk_that_qemu_writes_to_is_refused),
		TEST(a_running_guest_goes_on_without_the_lock),
		TEST(without_locks_there_is_a_warning),
	};

	log_redirect(on_log, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
