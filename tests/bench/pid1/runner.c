/*
 * Runs an init as PID 1 of a PID and a mount namespace of its own, again and again, and measures
 * it from outside. Prints one line of numbers for each run.
 *
 * Usage: runner TASK RUNS FILE ROOT INIT ARGUMENT...
 *
 * life        µs from the release of the process that becomes the init to its end; its program ends
 *             at once
 * window      µs from its exec until SIGTERM is blocked or handled: until then it is lost
 * lose        for SIGTERM sent 0, 250, 500, 1000 and 2000 µs after its exec: 1 if it was lost
 * term        µs from SIGTERM to the program's handler
 * orphans=N   ms from the first fork of N orphans until all are reaped, CPU ms of the init
 * backlog=N   the same from SIGCONT, when N zombies wait
 * hold        prints the init's pid and keeps it until standard input ends
 *
 * FILE is an empty file for struct shared; ROOT is where the init sees its root directory.
 */
#include "shared.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Longer than anything takes: then the init does not do what it should. */
#define PATIENCE_NS 20000000000

static struct shared *shared;
static const char *root;
static char **command;
static bool
	is_watched; /* the init has one CPU, and whoever looks at it without a pause the other */

/* One process that is about to become an init. */
struct init {
	pid_t pid;
	int release_fd;
};

static void use_cpu(int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("there must be two CPUs");
}

static void become_init(int ready_fd, int release_fd)
{
	int null = open("/dev/null", O_RDWR);
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (is_watched)
		use_cpu(1);
	if (chroot(root) < 0 || chdir("/") < 0)
		fail(root);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		fail("/proc");
	if (write(ready_fd, &byte, 1) != 1 || read(release_fd, &byte, 1) != 1)
		_exit(1);
	close(ready_fd);
	close(release_fd);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
	execv(command[0], command);
	_exit(1);
}

static struct init prepare(const char *child)
{
	struct init init;
	int ready[2], release[2];
	char byte;

	memset((void *)shared, 0, sizeof(*shared));
	setenv("BENCH_CHILD", child, 1);
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(release, O_CLOEXEC) < 0)
		fail("pipe");
	init.pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
	if (init.pid < 0)
		fail("clone");
	if (init.pid == 0) {
		close(ready[0]);
		close(release[1]);
		become_init(ready[1], release[0]);
	}
	close(ready[1]);
	close(release[0]);
	init.release_fd = release[1];
	if (read(ready[0], &byte, 1) != 1)
		fail("the init cannot be prepared");
	close(ready[0]);
	return init;
}

/* Return: when. */
static int64_t release(const struct init *init)
{
	int64_t begin;

	pause_us(1000); /* it is asleep by then */
	begin = now();
	if (write(init->release_fd, "", 1) != 1)
		fail("write");
	close(init->release_fd);
	return begin;
}

static void await(_Atomic int64_t *time, const char *what)
{
	int64_t end = now() + PATIENCE_NS;

	while (!*time) {
		if (now() > end) {
			errno = ETIME;
			fail(what);
		}
		pause_us(200);
	}
}

static struct init start(const char *child)
{
	struct init init = prepare(child);

	release(&init);
	await(&shared->up, "the program is not up");
	pause_us(30000); /* what comes behind the start */
	return init;
}

static void end(const struct init *init)
{
	kill(init->pid, SIGKILL);
	waitpid(init->pid, NULL, 0);
}

static void measure_life(void)
{
	struct init init = prepare("exit");
	int64_t begin = release(&init);
	int status;

	waitpid(init.pid, &status, 0);
	printf("%.1f\n", (double)(now() - begin) / 1e3);
	if (status)
		fail("the init did not end with 0");
}

/*
 * Of /proc/PID/stat: the name, and whether SIGTERM is blocked or caught. One that sleeps waits for
 * signals in sigwaitinfo(), which shows them as not blocked.
 */
static bool keeps_term(int stat_fd, char *ret_name)
{
	unsigned long blocked, ignored, caught;
	char text[1024], *at;
	ssize_t n = pread(stat_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		fail("stat");
	text[n] = '\0';
	snprintf(ret_name, 16, "%.*s", (int)strcspn(strchr(text, '(') + 1, ")"),
		 strchr(text, '(') + 1);
	/* Field 3 is behind the name; 32 to 34 are the masks. */
	at = strrchr(text, ')') + 1;
	for (int field = 3; field < 32; field++)
		at = strchr(at + 1, ' ');
	if (sscanf(at, "%lu %lu %lu", &blocked, &ignored, &caught) != 3)
		fail("stat");
	return strrchr(text, ')')[2] == 'S' || ((blocked | caught) >> (SIGTERM - 1) & 1);
}

static int open_stat(const struct init *init)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)init->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

/* Looks at the process without a pause until it is the init. Return: when. */
static int64_t await_exec(int stat_fd)
{
	char name[16];

	do
		keeps_term(stat_fd, name);
	while (strcmp(name, "runner") == 0);
	return now();
}

static void measure_window(void)
{
	struct init init = prepare("wait");
	int stat_fd = open_stat(&init);
	char name[16];
	int64_t begin;

	release(&init);
	begin = await_exec(stat_fd);
	while (!keeps_term(stat_fd, name))
		;
	printf("%.1f\n", (double)(now() - begin) / 1e3);
	close(stat_fd);
	end(&init);
}

/* Lost is what neither reaches the program nor ends the init. */
static bool is_lost(const struct init *init)
{
	int64_t deadline = now() + PATIENCE_NS;

	while (now() < deadline) {
		if (waitpid(init->pid, NULL, WNOHANG) == init->pid)
			return false;
		if (shared->up && shared->up + 100000000 < deadline)
			deadline = shared->up + 100000000;
		pause_us(200);
	}
	if (!shared->up)
		fail("the program is not up");
	end(init);
	return true;
}

static void measure_lose(void)
{
	static const long delays[] = { 0, 250, 500, 1000, 2000 };

	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		struct init init = prepare("wait");
		int stat_fd = open_stat(&init);
		int64_t due;

		release(&init);
		due = await_exec(stat_fd) + delays[i] * 1000;
		close(stat_fd);
		while (now() < due)
			;
		kill(init.pid, SIGTERM);
		printf("%d ", is_lost(&init));
	}
	printf("\n");
}

static void measure_term(void)
{
	struct init init = start("wait");
	int64_t begin = now();

	kill(init.pid, SIGTERM);
	await(&shared->handled, "no SIGTERM");
	printf("%.1f\n", (double)(shared->handled - begin) / 1e3);
	end(&init);
}

/* Time on a CPU so far, ns. */
static int64_t cpu_of(const struct init *init)
{
	char path[64];
	long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)init->pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%lld", &ns) != 1)
		fail(path);
	fclose(file);
	return ns;
}

static void measure_orphans(const char *number, bool is_backlog)
{
	struct init init = start(number);
	int64_t begin, cpu = cpu_of(&init);

	if (is_backlog)
		kill(init.pid, SIGSTOP);
	shared->go = 1;
	await(&shared->dead, "the orphans do not end");
	begin = is_backlog ? now() : shared->begun;
	kill(init.pid, SIGCONT);
	await(&shared->reaped, "the orphans are not reaped");
	pause_us(10000); /* until it sleeps, for its CPU time to be complete */
	printf("%.2f %.2f\n", (double)(shared->reaped - begin) / 1e6,
	       (double)(cpu_of(&init) - cpu) / 1e6);
	end(&init);
}

static void hold(void)
{
	struct init init = prepare("wait");
	char byte;

	release(&init);
	printf("%d\n", (int)init.pid);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	end(&init);
}

static void measure(const char *task)
{
	if (strcmp(task, "life") == 0)
		measure_life();
	else if (strcmp(task, "window") == 0)
		measure_window();
	else if (strcmp(task, "lose") == 0)
		measure_lose();
	else if (strcmp(task, "term") == 0)
		measure_term();
	else if (strncmp(task, "orphans=", 8) == 0)
		measure_orphans(task + 8, false);
	else if (strncmp(task, "backlog=", 8) == 0)
		measure_orphans(task + 8, true);
	else
		hold();
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: runner TASK RUNS FILE ROOT INIT ARGUMENT...\n");
		return 2;
	}
	shared = map_shared(argv[3]);
	/* Below ROOT everything has the path that it has outside. */
	root = argv[4];
	setenv("BENCH_FILE", argv[3], 1);
	command = argv + 5;
	is_watched = strcmp(argv[1], "window") == 0 || strcmp(argv[1], "lose") == 0;
	if (is_watched)
		use_cpu(0);
	for (int i = 0; i < atoi(argv[2]); i++)
		measure(argv[1]);
	return 0;
}
