/*
 * The rhythm of the looks.
 *
 * Nothing tells when a file system has room again, so somebody has to look: after a second, then
 * after two, four and so on, every half minute in the end. A guest that is resumed and paused again
 * soon writes faster than somebody makes room, or waits for more than a file system says (a quota,
 * a thin volume): each attempt doubles the pause before the next, up to five minutes. Once it has
 * run for a minute that is forgotten.
 */
#include "init/guest/room.h"

#define FIRST_MS 1000
#define LOOK_MAX_MS 30000
#define ATTEMPT_MAX_MS 300000
#define HEALTHY_MS 60000
/* Enough: this much, or of a small file system a sixteenth. */
#define ENOUGH_BYTES ((uint64_t)64 << 20)
#define ENOUGH_PART 16

/** longer() - Double the pause, up to @most; one that is longer already stays. */
static void longer(struct room *room, unsigned most)
{
	if (room->pause < most)
		room->pause = room->pause * 2 < most ? room->pause * 2 : most;
}

void room_wait(struct room *room, int64_t now)
{
	if (room->waiting)
		return;
	room->waiting = true;
	if (room->pause == 0 || now - room->resumed >= HEALTHY_MS)
		room->pause = FIRST_MS;
	room->next = now + room->pause;
}

void room_over(struct room *room)
{
	room->waiting = false;
}

void room_looked(struct room *room, bool resumed, int64_t now)
{
	if (resumed)
		room->resumed = now;
	/* Whatever comes of it: it may be paused again before anybody sees it run. */
	longer(room, resumed ? ATTEMPT_MAX_MS : LOOK_MAX_MS);
	room->next = now + room->pause;
}

int64_t room_next(const struct room *room)
{
	return room->waiting ? room->next : INT64_MAX;
}

bool room_is_enough(uint64_t free, uint64_t size)
{
	return free >= ENOUGH_BYTES || free >= size / ENOUGH_PART;
}
