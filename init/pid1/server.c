#include "init/pid1/server.h"

#include "init/pid1/loop.h"
#include "init/pid1/notify.h"
#include "lib/account.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static unsigned client_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= SERVER_MAX_CLIENTS + SERVER_RESERVED_FDS)
		return SERVER_MAX_CLIENTS;
	return (unsigned)(limit.rlim_cur > 2 * SERVER_RESERVED_FDS
				  ? limit.rlim_cur - SERVER_RESERVED_FDS
				  : limit.rlim_cur / 2);
}

int server_open(struct server *server, const char *path, int epoll_fd)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	gid_t group;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0660) < 0)
		return -errno;
	if (account_group("casement", &group) == 0 && chown(path, (uid_t)-1, group) < 0)
		log_warning("%s: only root can use it, not the group casement: %s", path,
			    strerror(errno));
	refuse_descriptors(fd);
	if (listen(fd, SOMAXCONN) < 0)
		return -errno;
	if (loop_add(epoll_fd, fd, EPOLLIN, SOURCE_SERVER, 0) < 0)
		return -errno;
	server->max_clients = client_limit();
	server->fd = take_fd(&fd);
	server->epoll_fd = epoll_fd;
	return 0;
}

static void drop_client(struct server *server, struct client *client)
{
	/* A child that has not become its program yet has a copy: the answer's end must not wait
	 * for it. */
	shutdown(client->fd, SHUT_RDWR);
	loop_close(server->epoll_fd, client->fd);
	*client = (struct client){ .fd = -1 };
	server->n_clients--;
	while (server->highest && server->clients[server->highest - 1].fd < 0)
		server->highest--;
}

static void add_client(struct server *server, int fd, int64_t now)
{
	static const char busy[] = "fail too many clients\n";
	size_t index = 0;

	while (index < server->highest && server->clients[index].fd >= 0)
		index++;
	if (index >= server->max_clients ||
	    loop_add(server->epoll_fd, fd, EPOLLIN, SOURCE_CLIENT, index) < 0) {
		send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	server->clients[index] = (struct client){ .fd = fd, .deadline = now + SERVER_PATIENCE_MS };
	server->n_clients++;
	if (server->highest <= index)
		server->highest = (unsigned)index + 1;
}

void server_accept(struct server *server, int64_t now)
{
	/*
	 * Bounded, so that a flood of clients does not keep PID 1 from its children: epoll reminds
	 * us of the rest.
	 */
	for (int i = 0; i < 64; i++) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno != EAGAIN) {
			/* Who waits stays readable: without a pause the loop would spin. */
			loop_change(server->epoll_fd, server->fd, 0, SOURCE_SERVER, 0);
			server->accept_again = now + SERVER_ACCEPT_PAUSE_MS;
		}
		if (fd < 0)
			return;
		add_client(server, fd, now);
	}
}

/*
 * Into the socket's own buffer as a whole: a client who cannot take an answer that fits an empty
 * buffer gets none.
 */
static void answer(struct server *server, struct client *client, size_t length)
{
	send(client->fd, server->answer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	drop_client(server, client);
}

/*
 * A stream socket is writable while at least half of its buffer is free (unix_writable() in Linux'
 * net/unix), far more than a line: so what is sent to a writable socket goes out as a whole, and
 * lines are never torn.
 */
static void show(struct server *server, struct client *client, size_t length)
{
	struct pollfd poller = { .fd = client->fd, .events = POLLOUT };
	bool writable = poll(&poller, 1, 0) == 1 && !(poller.revents & (POLLERR | POLLHUP));
	ssize_t sent =
		writable ? send(client->fd, server->answer, length, MSG_DONTWAIT | MSG_NOSIGNAL)
			 : 0;

	if (sent < 0 && errno != EAGAIN) {
		drop_client(server, client);
		return;
	}
	if (client->behind != (sent <= 0)) {
		client->behind = sent <= 0;
		loop_change(server->epoll_fd, client->fd, EPOLLIN | (client->behind ? EPOLLOUT : 0),
			    SOURCE_CLIENT, (size_t)(client - server->clients));
	}
}

/* Who may read the status may not end the container. */
static bool is_root(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == 0;
}

static size_t freeze(struct supervisor *supervisor, int fd, bool force, char *buffer, size_t size)
{
	const char *refusal = is_root(fd) ? supervisor_freeze(supervisor, force)
					  : "freeze: only root may do that";

	return (size_t)snprintf(buffer, size, "%s%s\n", refusal ? "fail " : "ok",
				refusal ? refusal : "");
}

static void obey(struct server *server, struct client *client, const char *verb,
		 struct supervisor *supervisor, uint64_t dropped, int64_t now)
{
	char *buffer = server->answer;
	size_t size = sizeof(server->answer);

	if (streq(verb, "") || streq(verb, "status")) {
		answer(server, client, report_status(supervisor, now, buffer, size));
	} else if (streq(verb, "health")) {
		answer(server, client, report_health(supervisor, buffer, size));
	} else if (streq(verb, "ready")) {
		answer(server, client, report_ready(supervisor, buffer, size));
	} else if (streq(verb, "metrics")) {
		answer(server, client, report_metrics(supervisor, now, dropped, buffer, size));
	} else if (streq(verb, "freeze") || streq(verb, "freeze force")) {
		answer(server, client,
		       freeze(supervisor, client->fd, !streq(verb, "freeze"), buffer, size));
	} else if (streq(verb, "watch")) {
		client->watching = true;
		client->deadline = NEVER;
		show(server, client, report_status(supervisor, now, buffer, size));
	} else {
		answer(server, client,
		       (size_t)snprintf(buffer, size,
					"fail unknown verb: use status, health, ready, watch, "
					"metrics or freeze\n"));
	}
}

void server_serve(struct server *server, size_t index, struct supervisor *supervisor,
		  uint64_t dropped, int64_t now)
{
	struct client *client = &server->clients[index];
	char scrap[256];
	char *end;
	ssize_t n;

	if (client->fd < 0)
		return;
	if (client->watching) {
		/* Nothing more is expected; reading tells whether somebody is still there. */
		n = recv(client->fd, scrap, sizeof(scrap), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			drop_client(server, client);
		else if (client->behind)
			show(server, client,
			     report_status(supervisor, now, server->answer,
					   sizeof(server->answer)));
		return;
	}
	n = recv(client->fd, client->line + client->length,
		 sizeof(client->line) - 1U - client->length, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		drop_client(server, client);
		return;
	}
	client->length = (uint8_t)(client->length + n);
	client->line[client->length] = '\0';
	end = strpbrk(client->line, "\r\n");
	/* A closed writing side ends the line as well. */
	if (!end && n > 0 && client->length < sizeof(client->line) - 1)
		return;
	if (end)
		*end = '\0';
	memcpy(scrap, client->line, sizeof(client->line));
	obey(server, client, scrap, supervisor, dropped, now);
}

void server_step(struct server *server, const struct supervisor *supervisor, int64_t now)
{
	bool changed = server->shown != supervisor->changes;
	size_t length = 0;

	if (server->accept_again && server->accept_again <= now) {
		server->accept_again = 0;
		loop_change(server->epoll_fd, server->fd, EPOLLIN, SOURCE_SERVER, 0);
	}
	for (size_t i = 0; i < server->highest; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0 ||
		    !(client->watching ? changed && !client->behind : client->deadline <= now))
			continue;
		if (!length)
			length = report_status(supervisor, now, server->answer,
					       sizeof(server->answer));
		if (client->watching)
			show(server, client, length);
		else
			answer(server, client, length);
	}
	server->shown = supervisor->changes;
}

int64_t server_next_deadline(const struct server *server)
{
	int64_t next = server->accept_again ? server->accept_again : NEVER;

	for (size_t i = 0; i < server->highest; i++) {
		if (server->clients[i].fd >= 0 && server->clients[i].deadline < next)
			next = server->clients[i].deadline;
	}
	return next;
}
