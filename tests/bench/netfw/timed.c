/*
 * How long a command runs, from the spawn to its end: `timed FIRST LAST COMMAND...` runs it once
 * for each number, with that number in the place of every word's '%', and prints the sum in
 * microseconds. The command's output goes nowhere, its complaints to stderr; the first failure ends
 * it all. This process is small, so spawning costs what it costs a shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define WORDS 64
#define WORD 256

extern char **environ;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/** fill() - @word with @number for its '%'. */
static void fill(const char *word, long number, char filled[static WORD])
{
	const char *sign = strchr(word, '%');

	if (sign)
		snprintf(filled, WORD, "%.*s%ld%s", (int)(sign - word), word, number, sign + 1);
	else
		snprintf(filled, WORD, "%s", word);
}

static int run(char *words[], const posix_spawn_file_actions_t *actions)
{
	int status = 0, r;
	pid_t pid;

	r = posix_spawnp(&pid, words[0], actions, NULL, words, environ);
	if (r) {
		fprintf(stderr, "%s: %s\n", words[0], strerror(r));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int main(int argc, char *argv[])
{
	char filled[WORDS][WORD], *words[WORDS + 1] = { NULL };
	posix_spawn_file_actions_t actions;
	double begin;

	if (argc < 4 || argc - 3 > WORDS) {
		fprintf(stderr, "usage: timed FIRST LAST COMMAND...\n");
		return 64;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	begin = now();
	for (long number = atol(argv[1]); number <= atol(argv[2]); number++) {
		for (int i = 3; i < argc; i++) {
			fill(argv[i], number, filled[i - 3]);
			words[i - 3] = filled[i - 3];
		}
		if (run(words, &actions) < 0) {
			fprintf(stderr, "%s has failed\n", words[0]);
			return 1;
		}
	}
	printf("%.1f\n", now() - begin);
	posix_spawn_file_actions_destroy(&actions);
	return 0;
}
