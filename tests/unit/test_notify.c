/* sd_notify datagrams: what is one, who sent it, and that nothing that comes along with it stays;
 * and the way out. */
#include "init/pid1/notify.h"

#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
	int receiver, sender;
	int passed; /* by the last datagram */
	char buffer[NOTIFY_MAX];
};

static int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const int on = 1;
	int fds[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	f->receiver = fds[0];
	f->sender = fds[1];
	*state = f;
	return 0;
}

static int leave(void **state)
{
	struct fixture *f = *state;

	close(f->receiver);
	close(f->sender);
	free(f);
	return 0;
}

static unsigned count_fds(void)
{
	autoclosedir DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	return n;
}

static int receive(struct fixture *f, pid_t *ret_pid)
{
	int result;

	*ret_pid = -7;
	f->passed = -7;
	memset(f->buffer, '#', sizeof(f->buffer));
	result = notify_receive(f->receiver, f->buffer, ret_pid, &f->passed);
	assert_true(result > 0 || f->passed == -1);
	return result;
}

static void test_one(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	assert_int_equal(receive(f, &pid), -EAGAIN);
	assert_int_equal(send(f->sender, "READY=1\nSTATUS=x", 16, 0), 16);
	assert_int_equal(send(f->sender, "", 0, 0), 0);
	assert_int_equal(send(f->sender, "a\0b", 3, 0), 3);
	assert_int_equal(receive(f, &pid), 1);
	assert_string_equal(f->buffer, "READY=1\nSTATUS=x");
	assert_int_equal(pid, getpid());
	assert_int_equal(receive(f, &pid), 1);
	assert_string_equal(f->buffer, "");
	assert_int_equal(receive(f, &pid), 1);
	assert_string_equal(f->buffer, "a");
	assert_int_equal(receive(f, &pid), -EAGAIN);
}

/* The kernel says who it was, also when the sender is dead and buried. */
static void test_sender(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork(), pid;

	if (child == 0) {
		if (send(f->sender, "READY=1", 7, 0) != 7)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(receive(f, &pid), 1);
	assert_int_equal(pid, child);
}

static void test_sizes(void **state)
{
	static const struct {
		size_t size;
		int result;
	} cases[] = { { NOTIFY_MAX - 2, 1 },
		      { NOTIFY_MAX - 1, 1 },
		      { NOTIFY_MAX, 0 },
		      { NOTIFY_MAX + 1, 0 },
		      { 65536, 0 } };
	static char bytes[65536];
	struct fixture *f = *state;
	pid_t pid;

	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(send(f->sender, bytes, cases[i].size, 0), cases[i].size);
		assert_int_equal(receive(f, &pid), cases[i].result);
		if (cases[i].result)
			assert_int_equal(strlen(f->buffer), cases[i].size);
		/* One that is too long does not become two. */
		assert_int_equal(receive(f, &pid), -EAGAIN);
	}
}

/* The first of them is a file of its own, so that it can be told from the others. */
static void send_fds(int socket, size_t n, const char *text, size_t length)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	autoclose int first = memfd_create("first", MFD_CLOEXEC);
	static char copy[NOTIFY_MAX];
	struct iovec data = { .iov_base = copy, .iov_len = length };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *header = &control.align; /* the first one */

	memcpy(copy, text, length);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(header) + i * sizeof(int), &(int){ i ? STDIN_FILENO : first },
		       sizeof(int));
	assert_int_equal(sendmsg(socket, &message, 0), length);
}

static bool is_first(int fd)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "memfd:first");
}

/* The first descriptor that was passed along is the caller's; all others are closed, however many:
 * those that do not fit into the buffer by the kernel. */
static void test_passed_fds(void **state)
{
	static const size_t counts[] = { 1, 2, 15, 16, 17, 100, 253 };
	struct fixture *f = *state;
	unsigned before = count_fds();
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		send_fds(f->sender, counts[i], "READY=1", 7);
		assert_int_equal(receive(f, &pid), 1);
		assert_string_equal(f->buffer, "READY=1");
		assert_int_equal(pid, getpid());
		assert_true(is_first(f->passed));
		assert_int_equal(fcntl(f->passed, F_GETFD), FD_CLOEXEC);
		assert_int_equal(count_fds(), before + 1);
		close(f->passed);
	}
	assert_int_equal(send(f->sender, "READY=1", 7, 0), 7);
	assert_int_equal(receive(f, &pid), 1);
	assert_int_equal(f->passed, -1);
}

/* What comes with something that is no message is nobody's. */
static void test_passed_with_nonsense(void **state)
{
	static char bytes[NOTIFY_MAX];
	struct fixture *f = *state;
	unsigned before = count_fds();
	const int off = 0;
	pid_t pid;

	memset(bytes, 'x', sizeof(bytes));
	send_fds(f->sender, 2, bytes, sizeof(bytes));
	assert_int_equal(receive(f, &pid), 0);
	assert_int_equal(count_fds(), before);
	assert_int_equal(setsockopt(f->receiver, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)), 0);
	send_fds(f->sender, 2, "READY=1", 7);
	assert_int_equal(receive(f, &pid), 0);
	assert_int_equal(count_fds(), before);
}

/* Without credentials nobody knows who it was: it is no message. */
static void test_no_credentials(void **state)
{
	struct fixture *f = *state;
	const int off = 0;
	pid_t pid;

	assert_int_equal(setsockopt(f->receiver, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)), 0);
	assert_int_equal(send(f->sender, "READY=1", 7, 0), 7);
	assert_int_equal(receive(f, &pid), 0);
	assert_int_equal(receive(f, &pid), -EAGAIN);
}

static int listen_at(const struct sockaddr_un *address, socklen_t length)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)address, length), 0);
	return fd;
}

static void test_outside(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char directory[] = "/tmp/casement-test.XXXXXX", text[64] = "", name[64];
	struct outside outside;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	fd = listen_at(&address, sizeof(address));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "5", 1);
	setenv("WATCHDOG_PID", "5", 1);
	outside_open(&outside);
	/* They were for us, not for our children. */
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	outside_send(&outside, "READY=1");
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_string_equal(text, "READY=1");
	/* Nobody is there any more. */
	close(fd);
	unlink(address.sun_path);
	outside_send(&outside, "STOPPING=1");
	close(outside.fd);
	assert_int_equal(rmdir(directory), 0);

	/* A name without a file. */
	snprintf(name, sizeof(name), "@casement-test-%d", (int)getpid());
	memset(address.sun_path, 0, sizeof(address.sun_path));
	memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
	fd = listen_at(&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
	setenv("NOTIFY_SOCKET", name, 1);
	outside_open(&outside);
	outside_send(&outside, "STATUS=x");
	assert_int_equal(recv(fd, text, sizeof(text), 0), 8);
	close(fd);
	close(outside.fd);
}

/* A manager that does not read: nothing is taken for told. */
static void test_outside_full(void **state)
{
	char name[64], text[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct outside outside;
	unsigned n = 0;
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@casement-test-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
	fd = listen_at(&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
	setenv("NOTIFY_SOCKET", name, 1);
	outside_open(&outside);
	while (outside_send(&outside, "STATUS=x"))
		assert_true(++n < 100000);
	assert_true(n > 0);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 8);
	assert_true(outside_send(&outside, "READY=1"));
	close(fd);
	close(outside.fd);
}

static bool pass_stdin(int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 'x';
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	const int passed = STDIN_FILENO;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(passed));
	memcpy(CMSG_DATA(header), &passed, sizeof(passed));
	return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
}

/* SO_PASSRIGHTS (83) is not in Debian 12's headers; a kernel before 6.16 does not know it. */
static void test_refuse_descriptors(void **state)
{
	struct fixture *f = *state;
	int on = -1;
	socklen_t size = sizeof(on);
	bool known = getsockopt(f->receiver, SOL_SOCKET, 83, &on, &size) == 0;

	assert_true(pass_stdin(f->sender));
	refuse_descriptors(f->receiver);
	assert_int_equal(pass_stdin(f->sender), !known);
	assert_int_equal(send(f->sender, "x", 1, MSG_NOSIGNAL), 1);
}

static void test_no_outside(void **state)
{
	char longer[200];
	const char *const bad[] = { "", "relative", "vsock:2:1", longer, NULL };
	struct outside outside;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (bad[i])
			setenv("NOTIFY_SOCKET", bad[i], 1);
		outside_open(&outside);
		assert_int_equal(outside.fd, -1);
		assert_null(getenv("NOTIFY_SOCKET"));
		outside_send(&outside, "READY=1");
	}
}

static void test_path(void **state)
{
	char path[108];

	(void)state;
	notify_path("libvirtd", path, sizeof(path));
	assert_string_equal(path, "/run/casement/notify/libvirtd.sock");
	/* The longest name that the configuration takes fits into a socket's address. */
	notify_path("a123456789b123456789c123456789d123456789", path, sizeof(path));
	assert_string_equal(path,
			    "/run/casement/notify/a123456789b123456789c123456789d123456789.sock");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(test_one),
		TEST(test_sender),
		TEST(test_sizes),
		TEST(test_passed_fds),
		TEST(test_passed_with_nonsense),
		TEST(test_no_credentials),
		TEST(test_outside),
		TEST(test_outside_full),
		TEST(test_refuse_descriptors),
		TEST(test_no_outside),
		TEST(test_path),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
