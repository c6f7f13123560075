/* What shows that the guest is ready: [health] probe. */
#pragma once

enum probe_kind {
	PROBE_BY_RDP,	/* its RDP server answers */
	PROBE_BY_TCP,	/* a TCP port accepts a connection */
	PROBE_BY_AGENT, /* its guest agent is connected */
	PROBE_NOTHING,	/* that it runs */
};

struct probe_choice {
	enum probe_kind kind;
	unsigned port; /* PROBE_BY_TCP */
};

#define PROBE_CHOICE_SIZE sizeof("tcp:65535")

/** probe_choice_parse() - `rdp`, `tcp:PORT`, `agent`, `none`. Return: NULL, or why it is none. */
const char *probe_choice_parse(const char *text, struct probe_choice *ret_choice);

/** probe_choice_text() - The other way round. Return: @buffer. */
const char *probe_choice_text(const struct probe_choice *choice,
			      char buffer[static PROBE_CHOICE_SIZE]);
