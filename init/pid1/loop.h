/* PID 1's one wait: what its descriptors stand for, and the loop over them. */
#pragma once

#include "init/pid1/notify.h"
#include "init/pid1/output.h"
#include "init/pid1/pause.h"
#include "init/pid1/reconfigure.h"
#include "init/pid1/rest.h"
#include "init/pid1/server.h"
#include "init/pid1/spawn.h"
#include "init/pid1/supervisor.h"

#include <signal.h>

enum source {
	SOURCE_SIGNAL,
	SOURCE_NOTIFY,
	SOURCE_EXEC,
	SOURCE_OUTPUT,
	SOURCE_SERVER,
	SOURCE_CLIENT
};

/*
 * What lies between PID 1 and one service. Sockets and pipes live as long as PID 1; only exec_fd
 * belongs to one process.
 */
struct channel {
	struct spawn spawn;
	struct output_pipe output;
	int notify_fd;
	int exec_fd; /* -1: there is nothing to learn */
};

/* Of a longer status the outside is told the beginning. */
#define OUTSIDE_STATUS_MAX 160

/* Everything that PID 1 has. */
struct pid1 {
	const char *config_file; /* NULL: the usual places */
	struct config *config;
	struct output output;
	struct outside outside;
	struct supervisor supervisor;
	struct effects effects;
	struct channel channels[CONFIG_MAX_SERVICES];
	int epoll_fd;
	int signal_fd;
	struct pause pause;
	struct reader reader;
	int interrupts; /* SIGINTs so far */
	bool announced_ready;
	bool announced_stop;
	int64_t outside_again; /* the outside had no room: the time of the next try; 0: none is due
				*/
	uint64_t outside_seen; /* the supervisor's count of changes that were looked at for it */
	char announced[OUTSIDE_STATUS_MAX]; /* the last status that was told to the outside */
	/* Last, as they are large and mostly untouched. */
	struct server server;
	struct rest rest;
};

/** loop_add() - Watch a descriptor; @index says whose it is. Return: 0 or -errno. */
int loop_add(int epoll_fd, int fd, uint32_t events, enum source source, size_t index);

/** loop_change() - Other events for a descriptor that is watched already. */
int loop_change(int epoll_fd, int fd, uint32_t events, enum source source, size_t index);

/**
 * loop_close() - Watch a descriptor no longer, and close it. To close it would not do: a child that
 * has not become its program yet has a copy, and for as long epoll goes on to report of it.
 */
void loop_close(int epoll_fd, int fd);

/** loop_signals() - The signals that PID 1 blocks and reads from its signalfd: all but those that a
 * fault raises. */
void loop_signals(sigset_t *ret_signals);

/** loop_run() - Until the supervisor is done. */
void loop_run(struct pid1 *pid1);

/** loop_drain() - Take everything that children have written. */
void loop_drain(struct pid1 *pid1);
