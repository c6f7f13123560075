#include "init/pid1/reconfigure.h"

#include "init/pid1/loop.h"
#include "lib/config_adopt.h"
#include "lib/config_text.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* For reading all files; a network file system that answers at all is faster. */
#define READ_MS 10000

/* Where the child has its copy; it has no descriptor above. */
#define COPY_FD 3

static void take_mistake(void *context, const char *message)
{
	log_error("%s", message);
	config_mistakes_note(context, message);
}

static void tell_change(void *context, enum config_change change, const char *section,
			const char *key)
{
	(void)context;
	switch (change) {
	case CONFIG_CHANGE_NOW: log_info("[%s] %s has changed", section, key); break;
	case CONFIG_CHANGE_RESTART:
		log_warning("[%s] %s: a change takes effect when the container is restarted",
			    section, key);
		break;
	case CONFIG_CHANGE_NEW:
		log_warning("[%s]: a new section takes effect when the container is restarted",
			    section);
		break;
	case CONFIG_CHANGE_GONE:
		log_warning("[%s]: it is gone, and stays until the container is restarted",
			    section);
		break;
	}
}

/* The configuration stays as it is, for one reason that is no mistake in a file. */
static void refuse(struct pid1 *pid1, const char *why, int64_t now)
{
	log_error("the configuration: %s", why);
	reload_refused(&pid1->supervisor, why, now);
}

static void take_copy(struct pid1 *pid1, int64_t now)
{
	struct config_mistakes mistakes = { 0 };
	struct config *next = NULL;
	char reason[160];
	int result = config_load_copy(pid1->reader.copy_fd, take_mistake, &mistakes, &next);

	if (mistakes.n) {
		reload_refused(&pid1->supervisor,
			       config_mistakes_text(&mistakes, reason, sizeof(reason)), now);
		return;
	}
	if (result < 0) {
		refuse(pid1, strerror(-result), now);
		return;
	}
	config_adopt(pid1->config, next, tell_change, NULL);
	config_free(next);
	output_configure(&pid1->output, &pid1->config->log);
	log_set_level(pid1->config->log.level);
	supervisor_reload(&pid1->supervisor, now);
}

/* In the child. It keeps nothing open that PID 1 may close meanwhile, a client for instance. */
static int copy_texts(const char *file, int fd)
{
	prctl(PR_SET_NAME, "casement-reader");
	if (dup2(fd, COPY_FD) < 0 || close_range(COPY_FD + 1, ~0U, 0) < 0)
		return -errno;
	return config_text_copy(file, COPY_FD);
}

/* Return: 0 or -errno. */
static int start_reader(struct pid1 *pid1, int64_t now)
{
	autoclose int fd = memfd_create("configuration", MFD_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-copy_texts(pid1->config_file, fd));
	pid1->reader = (struct reader){
		.pid = pid,
		.copy_fd = take_fd(&fd),
		.deadline = now + READ_MS,
	};
	pid1->supervisor.no_children = false;
	return 0;
}

/* The reader is history, whether it is dead or not. Return: whether it is to be started again. */
static bool end_reader(struct pid1 *pid1)
{
	bool again = pid1->reader.again;

	close(pid1->reader.copy_fd);
	pid1->reader = (struct reader){ .copy_fd = -1 };
	return again;
}

void reconfigure(struct pid1 *pid1, int64_t now)
{
	int result;

	if (pid1->supervisor.phase != PHASE_RUN) {
		log_debug("SIGHUP: stopping: nothing is read again");
		return;
	}
	if (pid1->reader.pid) {
		pid1->reader.again = true;
		return;
	}
	result = start_reader(pid1, now);
	if (result < 0)
		refuse(pid1, strerror(-result), now);
}

void reconfigure_reaped(struct pid1 *pid1, pid_t pid, int wait_status, int64_t now)
{
	if (pid != pid1->reader.pid)
		return;
	if (wait_status == 0)
		take_copy(pid1, now);
	else if (WIFEXITED(wait_status))
		refuse(pid1, strerror(WEXITSTATUS(wait_status)), now);
	else
		refuse(pid1, "the process that reads it was killed", now);
	/* Nothing else allocates: glibc would keep what reading took for as long as PID 1 lives. */
	malloc_trim(0);
	if (end_reader(pid1))
		reconfigure(pid1, now);
}

void reconfigure_step(struct pid1 *pid1, int64_t now)
{
	bool stopping = pid1->supervisor.phase != PHASE_RUN;

	if (!pid1->reader.pid || (!stopping && now < pid1->reader.deadline))
		return;
	/* It may have to wait for its file system to hear of it. */
	kill(pid1->reader.pid, SIGKILL);
	if (!stopping)
		refuse(pid1, "not read within 10 s: its file system does not answer", now);
	end_reader(pid1);
}

int64_t reconfigure_next_deadline(const struct pid1 *pid1)
{
	return pid1->reader.pid ? pid1->reader.deadline : NEVER;
}
