#include "init/guest/worker.h"

#include <errno.h>

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	const struct message done = { .type = MESSAGE_JOB };

	pthread_mutex_lock(&worker->lock);
	while (!worker->leave) {
		enum virt_job job = worker->job;

		if (job == VIRT_NOTHING) {
			pthread_cond_wait(&worker->wake, &worker->lock);
			continue;
		}
		worker->job = VIRT_NOTHING;
		pthread_mutex_unlock(&worker->lock);
		virt_run(worker->virt, job, &worker->result);
		inbox_post(worker->inbox, &done);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int worker_start(struct worker *worker, struct virt *virt, struct inbox *inbox)
{
	*worker = (struct worker){ .virt = virt, .inbox = inbox };
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	return -pthread_create(&worker->thread, NULL, work, worker);
}

void worker_give(struct worker *worker, enum virt_job job)
{
	worker->busy = true;
	pthread_mutex_lock(&worker->lock);
	worker->job = job;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

void worker_taken(struct worker *worker)
{
	worker->busy = false;
}

void worker_join(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->leave = true;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
}
