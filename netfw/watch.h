/* Hearing of other programs' changes to the ruleset. */
#pragma once

#include "netfw/netfw.h"
#include "netfw/talk.h"

struct watch {
	struct talk talk; /* a socket of its own: what is told would stand between answers */
	bool open;
	bool listening;
};

/** watch_open() - Return: 0 or -errno. */
int watch_open(struct watch *watch);

void watch_close(struct watch *watch);

/**
 * watch_listen() - Begin, or stop for as long as a change of our own lasts: of ten thousand
 * elements the kernel would tell us ten thousand times. Without watch_open() it does nothing.
 */
void watch_listen(struct watch *watch, bool on);

/**
 * watch_read() - Take all that was told.
 * @own: generation that we made ourselves
 *
 * Return: whether anybody else changed anything, or may have.
 */
bool watch_read(struct watch *watch, uint32_t own, struct netfw_foreign *ret_foreign);
