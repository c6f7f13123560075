/* What the runner and the program under the init share: a file that both map. */
#pragma once

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Times are CLOCK_MONOTONIC in nanoseconds; 0: not yet. */
struct shared {
	_Atomic int64_t up;	 /* the handler of SIGTERM is in place */
	_Atomic int64_t handled; /* it runs */
	_Atomic int64_t go;	 /* the runner: make the orphans */
	_Atomic int64_t begun;
	_Atomic int64_t dead;	/* the last orphan has ended */
	_Atomic int64_t reaped; /* the last one is no zombie any more */
};

static inline int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void pause_us(long us)
{
	const struct timespec time = { .tv_nsec = us * 1000 };

	nanosleep(&time, NULL);
}

static inline void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static inline struct shared *map_shared(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory = MAP_FAILED;

	if (fd >= 0)
		memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      0);
	if (memory == MAP_FAILED)
		fail(path);
	close(fd);
	return memory;
}
