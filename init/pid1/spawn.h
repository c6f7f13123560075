/*
 * Starting a process, in one place: what a child gets and what it does not.
 *
 * A child has an empty signal mask and default dispositions, a session of its own, /dev/null as
 * stdin, its service's pipe as stdout and stderr, no other descriptor of ours, and says through a
 * pipe that closes on exec at which stage it failed.
 */
#pragma once

#include "lib/config.h"

#include <sys/types.h>

/*
 * What the configuration says about a process, looked up once so that nothing has to be when it is
 * started.
 */
struct spawn {
	char *const *argv;
	char *const *environment;
	const char *directory;
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary ones */
	size_t n_groups;
	bool change_user;
	unsigned nofile; /* 0: as inherited */
	const struct limits *limits;
	int oom_score_adjust;
	int output_fd; /* becomes stdout and stderr */
};

/* Where a child was when it failed. */
enum spawn_stage { SPAWN_DIRECTORY, SPAWN_LIMITS, SPAWN_USER, SPAWN_EXEC, N_SPAWN_STAGES };

struct spawn_failure {
	enum spawn_stage stage;
	int error; /* errno */
};

/**
 * spawn_process() - Fork and exec.
 * @ret_pid: the child
 * @ret_exec_fd: closes when the child has become the program; a struct spawn_failure can be read
 *before if it has not. Non-blocking.
 *
 * A child that cannot exec exits with 127 when there is no such file and with 126 otherwise.
 *
 * Return: 0, or -errno when there is no child.
 */
int spawn_process(const struct spawn *spawn, pid_t *ret_pid, int *ret_exec_fd);

/**
 * spawn_read_failure() - Has the child failed?
 * Return: 1 and @ret_failure when it has; 0 when it became the program; -EAGAIN when neither is
 * known yet.
 */
int spawn_read_failure(int exec_fd, struct spawn_failure *ret_failure);

/** spawn_stage_name() - "exec", "working directory", … */
const char *spawn_stage_name(enum spawn_stage stage);
