/*
 * The program that the inits run. What it does is in the environment, because s6 runs a file
 * without arguments:
 *
 * BENCH_CHILD=exit       end at once
 * BENCH_CHILD=wait       note when SIGTERM comes, and end
 * BENCH_CHILD=NUMBER     when told so make that many orphans that end at once, and note when the
 *                        last one is reaped
 *
 * BENCH_FILE is the file of struct shared. Linked statically, so that it shares no page with any
 * init.
 */
#include "shared.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* Orphans of one parent. */
#define BATCH 100

static struct shared *shared;

static void handle(int signal)
{
	(void)signal;
	shared->handled = now();
	_exit(0);
}

/* Whoever does not wait for its children leaves them, dead or alive, to the init. */
static void make_batch(pid_t *pids, size_t n)
{
	pid_t parent = fork();

	if (parent < 0)
		fail("fork");
	if (parent > 0) {
		waitpid(parent, NULL, 0);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		pid_t orphan = fork();

		if (orphan < 0)
			fail("fork");
		if (orphan == 0)
			_exit(0);
		pids[i] = orphan;
	}
	_exit(0);
}

static void make_orphans(size_t n)
{
	pid_t *pids = mmap(NULL, n * sizeof(*pids), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int living[2];
	char end;

	/* Nobody writes: the reading end sees the end when the last process that has it is gone. */
	if (pids == MAP_FAILED || pipe(living) < 0)
		fail("pipe");
	shared->begun = now();
	for (size_t made = 0; made < n; made += BATCH)
		make_batch(pids + made, n - made < BATCH ? n - made : BATCH);
	close(living[1]);
	if (read(living[0], &end, 1) != 0)
		fail("read");
	shared->dead = now();
	for (size_t i = 0; i < n;) {
		if (kill(pids[i], 0) < 0 && errno == ESRCH)
			i++;
		else
			pause_us(100);
	}
	shared->reaped = now();
}

int main(void)
{
	const char *task = getenv("BENCH_CHILD"), *path = getenv("BENCH_FILE");
	struct sigaction action = { .sa_handler = handle };

	if (!task || !path || strcmp(task, "exit") == 0)
		return 0;
	shared = map_shared(path);
	sigaction(SIGTERM, &action, NULL);
	shared->up = now();
	if (strcmp(task, "wait") != 0) {
		while (!shared->go)
			pause_us(1000);
		make_orphans((size_t)atol(task));
	}
	for (;;)
		pause();
}
