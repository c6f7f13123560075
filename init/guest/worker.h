/*
 * The one thread that makes synchronous libvirt calls, one after the other. The event loop gives it
 * one job at a time.
 */
#pragma once

#include "init/guest/virt.h"

struct worker {
	struct virt *virt;
	struct inbox *inbox;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	enum virt_job job; /* given and not begun; guarded by lock */
	bool leave;        /* likewise */
	/* The loop's alone: */
	bool busy; /* a job is under way; its result is the worker's until MESSAGE_JOB */
	struct virt_result result; /* of the last job */
};

/**
 * worker_start() - Return: 0 or -errno. The signals of the calling thread must be blocked already.
 */
int worker_start(struct worker *worker, struct virt *virt, struct inbox *inbox);

/** worker_give() - Begin @job; not while it is busy. MESSAGE_JOB follows. */
void worker_give(struct worker *worker, enum virt_job job);

/** worker_taken() - MESSAGE_JOB came: worker->result is the loop's. */
void worker_taken(struct worker *worker);

/** worker_join() - End the thread. It waits for a job under way, so only tests do it. */
void worker_join(struct worker *worker);
