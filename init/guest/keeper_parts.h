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

/* keeper_link.c: libvirtd */
void keeper_link_lost(struct keeper *keeper, const char *why);
void keeper_message(struct keeper *keeper, const struct message *message);
int64_t keeper_connect_deadline(const struct keeper *keeper);
void keeper_connect_if_due(struct keeper *keeper, int64_t now);

/* keeper_stop.c */
struct stop_view keeper_stop_view(const struct keeper *keeper);
void keeper_stop_carry_on(struct keeper *keeper, int64_t now);
void keeper_signal(struct keeper *keeper, const struct signalfd_siginfo *info);

/* keeper_report.c */
void keeper_report(struct keeper *keeper);
