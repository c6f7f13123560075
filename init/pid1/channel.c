#include "init/pid1/channel.h"

#include "lib/account.h"
#include "lib/log.h"
#include "lib/strlist.h"
#include "lib/util.h"

#include <errno.h>
#include <sys/epoll.h>

extern char **environ;

/* Groups of a user beyond its own: more than that is no service's. */
#define MAX_GROUPS 64

static int find_user(struct spawn *spawn, const struct service_config *config)
{
	gid_t groups[MAX_GROUPS], *kept;
	size_t n;

	if (account_user(config->user, &spawn->uid, &spawn->gid) < 0) {
		log_error("[service %s] user: there is no user %s", config->name, config->user);
		return -ESRCH;
	}
	spawn->change_user = true;
	n = account_groups(config->user, spawn->gid, groups, MAX_GROUPS);
	kept = reallocarray(NULL, n, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	memcpy(kept, groups, n * sizeof(*kept));
	spawn->groups = kept;
	spawn->n_groups = n;
	return 0;
}

static int find_group(struct spawn *spawn, const struct service_config *config)
{
	if (account_group(config->group, &spawn->gid) < 0) {
		log_error("[service %s] group: there is no group %s", config->name, config->group);
		return -ESRCH;
	}
	spawn->change_user = true;
	return 0;
}

static int add_variable(struct strlist *list, const char *name, const char *value)
{
	autofree char *variable = NULL;

	if (asprintf(&variable, "%s=%s", name, value) < 0)
		return -ENOMEM;
	return strlist_add(list, variable);
}

static bool has_variable(const struct strlist *list, const char *variable)
{
	size_t length = strcspn(variable, "=");

	for (size_t i = 0; i < list->n; i++) {
		if (strncmp(list->item[i], variable, length) == 0 && list->item[i][length] == '=')
			return true;
	}
	return false;
}

/*
 * The service's own, then ours, then the container's, each name once: of two, getenv(3) finds the
 * first and a shell the last.
 */
static int make_environment(struct spawn *spawn, const struct service_config *config)
{
	struct strlist list = { 0 };
	char text[128];
	int result = 0;

	for (size_t i = 0; i < config->environment.n && !result; i++)
		result = strlist_add(&list, config->environment.item[i]);
	notify_path(config->name, text, sizeof(text));
	if (!result)
		result = add_variable(&list, "NOTIFY_SOCKET", text);
	snprintf(text, sizeof(text), "%llu", config->watchdog * 1000ULL);
	if (!result && config->watchdog)
		result = add_variable(&list, "WATCHDOG_USEC", text);
	for (char **variable = environ; *variable && !result; variable++) {
		if (!has_variable(&list, *variable))
			result = strlist_add(&list, *variable);
	}
	spawn->environment = list.item;
	return result;
}

int channel_open(struct channel *channel, const struct service_config *config, int epoll_fd,
		 size_t index)
{
	struct spawn *spawn = &channel->spawn;
	int result = 0;

	*spawn = (struct spawn){
		.argv = config->exec.item,
		.directory = config->directory,
		.nofile = config->nofile,
		.limits = &config->limits,
		.oom_score_adjust = config->oom_score_adjust,
	};
	channel->exec_fd = -1;
	if (config->user)
		result = find_user(spawn, config);
	if (!result && config->group)
		result = find_group(spawn, config);
	if (!result)
		result = make_environment(spawn, config);
	if (result)
		return result;
	channel->notify_fd = notify_open(config->name, spawn->uid);
	result = channel->notify_fd < 0 ? channel->notify_fd : output_pipe_open(&channel->output);
	if (!result)
		result = loop_add(epoll_fd, channel->notify_fd, EPOLLIN, SOURCE_NOTIFY, index);
	if (!result)
		result = loop_add(epoll_fd, channel->output.read_fd, EPOLLIN, SOURCE_OUTPUT, index);
	if (result)
		log_error("%s: its sockets cannot be made: %s", config->name, strerror(-result));
	else
		spawn->output_fd = channel->output.write_fd;
	return result;
}
