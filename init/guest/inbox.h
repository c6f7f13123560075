/*
 * What other threads and libvirt's callbacks have to say to the event loop. Any thread posts; the
 * loop takes. Bounded: when it is full, messages are lost, and that is known.
 */
#pragma once

#include "init/guest/life.h"
#include "init/guest/verdict.h"

#include <pthread.h>
#include <stdbool.h>

#define INBOX_SIZE 64

enum message_type {
	MESSAGE_JOB,   /* the worker is done; the result is the worker's */
	MESSAGE_LOST,  /* the connection to libvirtd is gone; flag: because it does not answer */
	MESSAGE_LIFE,  /* something happened to the guest: life, and perhaps text, shutdown, stopped
			*/
	MESSAGE_PANIC, /* the guest said that it crashed */
	MESSAGE_DISK,  /* text: why the disk failed */
	MESSAGE_AGENT, /* flag: whether the guest agent is connected */
	MESSAGE_NOTE,  /* text: something for the log */
};

struct message {
	enum message_type type;
	unsigned connection; /* number of the connection that it came by; older ones are stale */
	enum life_event life;
	enum shutdown_by shutdown;
	enum stopped_as stopped;
	bool flag;
	char text[128];
};

struct inbox {
	pthread_mutex_t lock;
	int fd; /* an eventfd: readable while there are messages */
	unsigned first, n;
	bool overflow;
	struct message ring[INBOX_SIZE];
};

/** inbox_init() - Return: 0 or -errno. */
int inbox_init(struct inbox *inbox);

void inbox_clear(struct inbox *inbox);

/** inbox_post() - From any thread. */
void inbox_post(struct inbox *inbox, const struct message *message);

/** inbox_take() - The oldest message. Return: false if there is none. */
bool inbox_take(struct inbox *inbox, struct message *ret_message);

/** inbox_overflowed() - Were messages lost since the last call? */
bool inbox_overflowed(struct inbox *inbox);
