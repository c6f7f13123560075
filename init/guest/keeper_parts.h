/* What the files of the keeper have in common; for nobody else. */
#pragma once

#include "init/guest/keeper.h"

#include <signal.h>

struct signalfd_siginfo;

/* keeper.c */
void keeper_feed(struct keeper *keeper, enum life_event event);
void keeper_settle(struct keeper *keeper);
void keeper_end(struct keeper *keeper, int code, const char *format, ...) PRINTF_LIKE(3, 4);
void keeper_found_qemu(struct keeper *keeper);
/** keeper_rest() - The guest cannot answer now. */
void keeper_rest(struct keeper *keeper);
/** keeper_drop_qemu() - Forget the process that was held. */
void keeper_drop_qemu(struct keeper *keeper);

/* keeper_link.c: libvirtd */
void keeper_link_lost(struct keeper *keeper, const char *why);
void keeper_message(struct keeper *keeper, const struct message *message);
/** keeper_accuse_libvirtd() - PID 1 alone can end it and start it again. */
void keeper_accuse_libvirtd(const char *why);
int64_t keeper_connect_deadline(const struct keeper *keeper);
void keeper_connect_if_due(struct keeper *keeper, int64_t now);

/* keeper_start.c */

/** keeper_start_begin() - The guest is to be started. */
void keeper_start_begin(struct keeper *keeper);
/** keeper_start_clock() - From now on it may take as long as a start may. */
void keeper_start_clock(struct keeper *keeper);
/** keeper_start_found() - A start is under way that an earlier casement-guest asked for. */
void keeper_start_found(struct keeper *keeper);
/** keeper_start_done() - The guest is up. */
void keeper_start_done(struct keeper *keeper);
/** keeper_start_event() - What @event means for a start: one that failed may be tried again. */
enum life_event keeper_start_event(struct keeper *keeper, enum life_event event);
/** keeper_start_again() - It is tried again, after a pause. */
void keeper_start_again(struct keeper *keeper);
/** keeper_start_refusal() - Why it failed. */
const char *keeper_start_refusal(struct keeper *keeper);
/** keeper_start_carry_on() - Do what is due. */
void keeper_start_carry_on(struct keeper *keeper, int64_t now);
/** keeper_start_next() - When that is; INT64_MAX for never. */
int64_t keeper_start_next(const struct keeper *keeper);

/* keeper_stop.c */
struct stop_view keeper_stop_view(const struct keeper *keeper);
void keeper_stop_carry_on(struct keeper *keeper, int64_t now);
void keeper_signal(struct keeper *keeper, const struct signalfd_siginfo *info);

/* keeper_probe.c: is the guest ready? */
void keeper_probe_init(struct keeper *keeper);
/* The guest can answer from now on; @keep: it was only away. */
void keeper_probe_start(struct keeper *keeper, bool keep);
/* The guest agent is connected, or not. */
void keeper_probe_agent(struct keeper *keeper, bool connected);
void keeper_probe_if_due(struct keeper *keeper, int64_t now);

/* keeper_room.c: a guest that a full file system has paused */
#define REASON_FULL "ENOSPC"
void keeper_room_if_due(struct keeper *keeper, int64_t now);
void keeper_room_looked(struct keeper *keeper, const struct virt_result *result);
int64_t keeper_room_next(const struct keeper *keeper);

/* keeper_install.c: a guest that is being installed */
/** keeper_install_begin() - It is up. */
void keeper_install_begin(struct keeper *keeper);
void keeper_install_rebooted(struct keeper *keeper);
void keeper_install_pressed(struct keeper *keeper, bool booted);
/** keeper_install_answered() - The guest answers its probe: whatever was under way is done. */
void keeper_install_answered(struct keeper *keeper);
void keeper_install_if_due(struct keeper *keeper, int64_t now);
int64_t keeper_install_next(const struct keeper *keeper);

/* keeper_state.c: a saved state */
void keeper_save(struct keeper *keeper);
void keeper_saved(struct keeper *keeper);
void keeper_not_saved(struct keeper *keeper, const char *why);
bool keeper_restore(struct keeper *keeper);
int64_t keeper_restore_ms(const struct keeper *keeper);
void keeper_created(struct keeper *keeper);
void keeper_not_restored(struct keeper *keeper, const struct virt_result *result);
void keeper_judge_state(struct keeper *keeper);
void keeper_found_paused(struct keeper *keeper);
/** keeper_wake_up_if_due() - The agent of a guest that was resumed is there. */
void keeper_wake_up_if_due(struct keeper *keeper);

/** keeper_know_disk() - Know the disk of a guest that this process has not started. Return: 0, or
 * -1 with @failure filled. Nothing is made: a disk that is not there is not the guest's. */
int keeper_know_disk(struct keeper *keeper, struct failure *failure);

/** keeper_disks_go_with() - Can it be told later of every disk whether it was changed? If not,
 * @ret_reason says why. */
bool keeper_disks_go_with(const struct keeper *keeper, size_t size, char *ret_reason);

/* keeper_freeze.c */
/** keeper_freeze() - @force: without asking Windows whether it may be. */
void keeper_freeze(struct keeper *keeper, bool force);
void keeper_windows_asked(struct keeper *keeper, const struct virt_result *result);
/** keeper_freezing() - Nothing that is heard of the guest counts. */
bool keeper_freezing(const struct keeper *keeper);
void keeper_frozen(struct keeper *keeper, const struct virt_result *result);
void keeper_not_frozen(struct keeper *keeper, const char *why);
/** keeper_saved_in_vain() - The guest is off: because it was saved for a freeze that came to
 * nothing, so that it goes on from there? */
bool keeper_saved_in_vain(const struct keeper *keeper);
void keeper_reload_if_due(struct keeper *keeper);
/** keeper_patience() - How long to weigh a guest's end, in ms: longer where a casement-guest before
 * this one was freezing it, and libvirtd has yet to say whether it is saved. */
int64_t keeper_patience(const struct keeper *keeper);

/* keeper_report.c */
void keeper_report(struct keeper *keeper);
