/*
 * When a guest that a full file system has paused is looked after again. Pure: time is passed in,
 * looking and resuming is virt_room.c's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct room {
	bool waiting;	 /* the guest is paused by a full file system */
	unsigned pause;	 /* ms to the next look */
	int64_t next;	 /* when that is */
	int64_t resumed; /* when the guest was resumed last */
};

/** room_wait() - The guest is paused by a full file system. Once is enough, again does no harm. */
void room_wait(struct room *room, int64_t now);

/** room_over() - It is not, or not any more. */
void room_over(struct room *room);

/** room_looked() - There was a look; @resumed: and room, so the guest was resumed. */
void room_looked(struct room *room, bool resumed, int64_t now);

/** room_next() - When to look; INT64_MAX for never. */
int64_t room_next(const struct room *room);

/**
 * room_is_enough() - Is it worth a try with @free of @size bytes?
 *
 * A guest that is resumed for a few blocks is paused again by its next write.
 */
bool room_is_enough(uint64_t free, uint64_t size);
