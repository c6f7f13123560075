/* agent.h - what guestd needs of the guest agent */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** enum agent_wish - What the host asked for, beside an answer */
enum agent_wish {
	AGENT_NOTHING,
	AGENT_POWER_OFF,
	AGENT_REBOOT,
	AGENT_FROZEN,		/* to know that file systems are frozen now, */
	AGENT_THAWED,		/* are not any more, */
	AGENT_CLOCK_SET,	/* or that the clock was set: nothing is left to be done */
};

/** agent_be_windows() - Say from now on that this is Windows, whose programs end with @code; 0: no more */
void agent_be_windows(unsigned code);

/** agent_open() - Open the agent's channel, if the machine has one. Return: a descriptor, or -1 */
int agent_open(void);

/**
 * agent_answer() - Answer one line of the host
 * @line:	a JSON object, without its newline
 * @answer:	filled with what is to be sent, which may be nothing
 *
 * Return: what was asked for
 */
enum agent_wish agent_answer(const char *line, char *answer, size_t size);
