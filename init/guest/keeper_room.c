/* A guest that a full file system has paused goes on once there is room: room.c's policy. */
#include "init/guest/keeper_parts.h"

#include "lib/log.h"

#include <inttypes.h>

/** can_ask() - Is there somebody who could look now? */
static bool can_ask(const struct keeper *keeper)
{
	return keeper->linked && !keeper->worker.busy && keeper->wanted == VIRT_NOTHING;
}

void keeper_room_if_due(struct keeper *keeper, int64_t now)
{
	/* Once it is to stop it is resumed in any case: stop.c. */
	if (keeper->life != LIFE_PAUSED || !streq(keeper->pause_reason, REASON_FULL)) {
		room_over(&keeper->room);
		return;
	}
	room_wait(&keeper->room, now);
	if (now >= room_next(&keeper->room) && can_ask(keeper))
		keeper->wanted = VIRT_RESUME_IF_ROOM;
}

void keeper_room_looked(struct keeper *keeper, const struct virt_result *result)
{
	room_looked(&keeper->room, result->resumed, now_ms());
	if (!result->resumed)
		return;
	if (result->room < UINT64_MAX)
		log_info("there is room for the guest's disk again (%" PRIu64
			 " MB): resuming the guest",
			 result->room >> 20);
	else
		log_info("trying whether there is room for the guest's disk: resuming the guest");
}

int64_t keeper_room_next(const struct keeper *keeper)
{
	return can_ask(keeper) ? room_next(&keeper->room) : INT64_MAX;
}
