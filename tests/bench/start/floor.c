/*
 * The floor: what libvirt itself needs to bring a guest up, and nothing else. Run as PID 1 of a container that has a bridge:
 * start virtlogd and libvirtd, wait for READY=1 of each, connect, define, create; one line with the time of every step.
 *
 * Usage: floor DOMAIN.xml
 */
#include "lib/util.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define NOTIFY_PATH "/run/floor.sock"

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void fail(const char *what)
{
	const virError *error = virGetLastError();

	fprintf(stderr, "floor: %s: %s\n", what, error ? error->message : strerror(errno));
	exit(1);
}

static int open_socket(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY_PATH };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(NOTIFY_PATH);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		fail("notify socket");
	return fd;
}

static void start_and_wait(int fd, const char *path)
{
	char text[256] = "";

	if (fork() == 0) {
		setenv("NOTIFY_SOCKET", NOTIFY_PATH, 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	while (!strstr(text, "READY=1")) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			fail(path);
		text[n] = '\0';
	}
}

static char *read_file(const char *path)
{
	autofclose FILE *file = fopen(path, "re");
	char *text = calloc(1, 65536);

	if (!file || !text || fread(text, 1, 65535, file) == 0)
		fail(path);
	return text;
}

static virConnectPtr connect_when_there(void)
{
	/* READY=1 comes a little before the drivers are there. */
	for (;;) {
		virConnectPtr connection = virConnectOpen("qemu:///system");

		if (connection)
			return connection;
		usleep(1000);
	}
}

static void ignore_error(void *context, virErrorPtr error)
{
	(void)context;
	(void)error;
}

/*
 * Without reaping, each probe of libvirt's waits for a zombie. A handler of SIGCHLD would not do: libvirt's client blocks that
 * signal during a call.
 */
static void *reap(void *unused)
{
	for (;;) {
		if (waitpid(-1, NULL, 0) < 0)
			usleep(1000);
	}
	return unused;
}

int main(int argc, char **argv)
{
	double start = now(), virtlogd, libvirtd, connected, defined, created;
	virConnectPtr connection;
	virDomainPtr domain;
	pthread_t reaper;
	char *xml;
	int fd;

	if (argc != 2)
		return 64;
	if (pthread_create(&reaper, NULL, reap, NULL) != 0)
		fail("thread");
	virSetErrorFunc(NULL, ignore_error);
	xml = read_file(argv[1]);
	fd = open_socket();
	start_and_wait(fd, "/usr/sbin/virtlogd");
	virtlogd = now();
	start_and_wait(fd, "/usr/sbin/libvirtd");
	libvirtd = now();
	connection = connect_when_there();
	connected = now();
	domain = virDomainDefineXMLFlags(connection, xml, VIR_DOMAIN_DEFINE_VALIDATE);
	if (!domain)
		fail("define");
	defined = now();
	if (virDomainCreate(domain) < 0)
		fail("create");
	created = now();
	printf("floor virtlogd %.1f libvirtd %.1f connect %.1f define %.1f create %.1f sum %.1f\n", virtlogd - start,
	       libvirtd - virtlogd, connected - libvirtd, defined - connected, created - defined, created - start);
	fflush(stdout);
	virDomainDestroy(domain);
	return 0;
}
