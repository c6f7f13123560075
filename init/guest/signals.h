/* Signals as events of the loop. */
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

/** signals_block() - The first statement of main(): no signal is lost, and none kills. */
void signals_block(void);

/** signals_open() - A descriptor to read them from. Return: it, or -errno. */
int signals_open(void);

/** signals_value() - What sigqueue(3) sent along; 0 for a plain kill(2). */
int signals_value(const struct signalfd_siginfo *info);
