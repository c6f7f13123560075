#include "init/guest/inbox.h"

#include "lib/util.h"

#include <errno.h>
#include <sys/eventfd.h>

int inbox_init(struct inbox *inbox)
{
	*inbox = (struct inbox){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (inbox->fd < 0)
		return -errno;
	return -pthread_mutex_init(&inbox->lock, NULL);
}

void inbox_clear(struct inbox *inbox)
{
	close(inbox->fd);
	pthread_mutex_destroy(&inbox->lock);
}

void inbox_post(struct inbox *inbox, const struct message *message)
{
	uint64_t one = 1;

	/*
	 * One place is the worker's, which has one job at a time: its end must not be lost among
	 * events.
	 */
	const size_t room = INBOX_SIZE - (message->type != MESSAGE_JOB);

	pthread_mutex_lock(&inbox->lock);
	if (inbox->n < room)
		inbox->ring[(inbox->first + inbox->n++) % INBOX_SIZE] = *message;
	else
		inbox->overflow = true;
	pthread_mutex_unlock(&inbox->lock);
	/* It fails only when the counter is full: then it is readable already. */
	(void)!write(inbox->fd, &one, sizeof(one));
}

bool inbox_take(struct inbox *inbox, struct message *ret_message)
{
	uint64_t count;
	bool taken = false;

	pthread_mutex_lock(&inbox->lock);
	if (inbox->n > 0) {
		*ret_message = inbox->ring[inbox->first];
		inbox->first = (inbox->first + 1) % INBOX_SIZE;
		inbox->n--;
		taken = true;
	} else {
		/* Only here, under the lock, is it certain that nothing was posted since. */
		(void)!read(inbox->fd, &count, sizeof(count));
	}
	pthread_mutex_unlock(&inbox->lock);
	return taken;
}

bool inbox_overflowed(struct inbox *inbox)
{
	bool overflow;

	pthread_mutex_lock(&inbox->lock);
	overflow = inbox->overflow;
	inbox->overflow = false;
	pthread_mutex_unlock(&inbox->lock);
	return overflow;
}
