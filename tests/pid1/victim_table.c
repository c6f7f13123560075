/* The victim in the place of casement-netfw: it shows PID 1 its forwards, and what is none. */
#include "victim.h"

#include "lib/forward_table.h"
#include "lib/util.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct forward_table *table;
static size_t n_forwards;

/* FDSTORE=1 with a name and so many descriptors. */
static void pass_fds(const char *name, const int *fds, size_t n)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	char text[64];
	struct iovec data = { .iov_base = text };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};

	data.iov_len = (size_t)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	send_message(&message);
}

static void make_table(size_t n)
{
	struct forward *forwards = calloc(n + 1, sizeof(*forwards));

	for (size_t i = 0; forwards && i < n; i++)
		forwards[i] = (struct forward){ .proto = IPPROTO_TCP,
						.listen_first = (uint16_t)(i + 1),
						.listen_last = (uint16_t)(i + 1),
						.guest_first = (uint16_t)(i + 1) };
	forward_table_free(table);
	n_forwards = n;
	if (!forwards || forward_table_create(forwards, n, &table) < 0)
		fail("table");
	free(forwards);
}

/* table NUMBER: a table of that many forwards, from port 1 on, is made and passed. */
void do_table(char **arguments)
{
	make_table((size_t)number(arguments[0]));
	pass_fds(FORWARD_TABLE_NAME, (int[]){ forward_table_fd(table) }, 1);
}

/* As `table`, but it is a child who passes it. */
void do_table_from_child(char **arguments)
{
	pid_t child = fork();

	if (child == 0) {
		do_table(arguments);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* count PACKETS REPAIRS: each forward has let through so many, of 100 bytes, and twice that out. */
void do_count(char **arguments)
{
	uint64_t packets = (uint64_t)number(arguments[0]);
	struct forward_count *counts = calloc(n_forwards + 1, sizeof(*counts));

	for (size_t i = 0; counts && i < n_forwards; i++)
		counts[i] = (struct forward_count){ packets, packets * 100, packets * 2,
						    packets * 200 };
	if (!counts)
		fail("calloc");
	forward_table_update(table, counts, (uint64_t)number(arguments[1]));
	free(counts);
}

/* pass NAME KIND: a descriptor of that name, which is a table, two of them, a pipe, or memory. */
void do_pass(char **arguments)
{
	const char *kind = arguments[1];
	int fds[2] = { -1, -1 };

	if (strcmp(kind, "pipe") == 0) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			fail("pipe");
		pass_fds(arguments[0], fds, 1);
	} else if (strcmp(kind, "memory") == 0) {
		fds[0] = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		pass_fds(arguments[0], fds, 1);
	} else {
		make_table(1);
		fds[0] = dup(forward_table_fd(table));
		fds[1] = dup(forward_table_fd(table));
		pass_fds(arguments[0], fds, strcmp(kind, "two") == 0 ? 2 : 1);
	}
	close(fds[0]);
	close(fds[1]);
}
