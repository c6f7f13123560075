/*
 * The status socket. A client says one line and gets its answer; `watch` stays and gets a line for
 * every change.
 *
 * Nobody is waited for and nothing is buffered per client: an answer goes out as a whole into the
 * socket's own buffer, and a watcher who does not read misses the lines in between, never the last
 * one.
 */
#pragma once

#include "init/pid1/report.h"

/* More clients than that are told so and sent away. */
#define SERVER_MAX_CLIENTS 1024

/*
 * Descriptors that no client gets, where the limit of open files is low: four for each service, and
 * PID 1's own. Clients who took them all would keep services from being started again, and the
 * listening socket from being read.
 */
#define SERVER_RESERVED_FDS (4UL * CONFIG_MAX_SERVICES + 64)

/* A client that says nothing gets the status after this time. */
#define SERVER_PATIENCE_MS 1000

/* Where no descriptor or no memory is left for a client, the next try is so much later. */
#define SERVER_ACCEPT_PAUSE_MS 1000

/* The longest verb is 7 bytes; a longer line is none. */
#define SERVER_LINE_MAX 16

struct client {
	int fd; /* -1: free */
	uint8_t length;
	bool watching;
	bool behind; /* could not take the last line: waits for room */
	char line[SERVER_LINE_MAX];
	int64_t deadline;
};

struct server {
	int fd;
	int epoll_fd;
	unsigned n_clients;
	unsigned max_clients;
	int64_t accept_again; /* no client could be taken: the time of the next try; 0: now */
	unsigned highest; /* places from here on were never used, or are free: their memory is not
			     touched */
	uint64_t shown;	  /* the supervisor's count of changes that watchers know */
	struct client clients[SERVER_MAX_CLIENTS];
	char answer[REPORT_MAX];
};

/** server_open() - Make the socket, mode 0660, group `casement` if there is one. Return: 0 or
 * -errno. */
int server_open(struct server *server, const char *path, int epoll_fd);

/** server_accept() - New clients. */
void server_accept(struct server *server, int64_t now);

/** server_serve() - A client has said something, or has room again, or is gone. */
void server_serve(struct server *server, size_t index, struct supervisor *supervisor,
		  uint64_t dropped, int64_t now);

/** server_step() - Tell watchers what changed, answer those who said nothing in time. */
void server_step(struct server *server, const struct supervisor *supervisor, int64_t now);

int64_t server_next_deadline(const struct server *server);
