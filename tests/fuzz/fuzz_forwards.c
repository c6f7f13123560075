/* A list of forwards. What is accepted is sorted, without overlaps, within the range of ports, and
 * reads the same again. */
#include "fuzz.h"

#include "lib/forward.h"
#include "lib/util.h"

#include <errno.h>

static void hear(void *context, const char *message)
{
	unsigned *n = context;

	/* It may be shown in a terminal. */
	for (; *message; message++)
		PROMISE(*message >= ' ' && *message <= '~');
	++*n;
}

static void check(const struct forward *forwards, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct forward *f = &forwards[i], *last = i ? f - 1 : NULL;

		PROMISE(f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP);
		PROMISE(f->listen_first > 0 && f->guest_first > 0 &&
			f->listen_first <= f->listen_last);
		PROMISE(f->guest_first + (f->listen_last - f->listen_first) <= 65535);
		if (f->all)
			PROMISE(f->listen_first == 1 && f->listen_last == 65535 &&
				f->guest_first == 1 && f->entry > 0);
		/* The one for all ports is the last of its protocol. */
		if (last && last->proto == f->proto)
			PROMISE(!last->all && (f->all || last->listen_last < f->listen_first));
		else if (last)
			PROMISE(last->proto < f->proto);
	}
}

/* Written down and read again it is the same. */
static void check_again(const struct forward *forwards, size_t n)
{
	struct forward *again = NULL;
	autofree char *text = malloc(n * 40 + 1);
	size_t length = 0, n_again = 0;
	char listen[12], guest[12];

	PROMISE(text);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		length += (size_t)sprintf(
			text + length, "%s%s%s/%s ", forward_listen_text(&forwards[i], listen),
			forwards[i].all ? "" : ":",
			forwards[i].all ? "" : forward_guest_text(&forwards[i], guest),
			forward_proto_name(&forwards[i]));
	PROMISE(forwards_parse(text, NULL, NULL, &again, &n_again) == 0 && n_again == n);
	for (size_t i = 0; i < n; i++)
		PROMISE(memcmp(&again[i].listen_first, &forwards[i].listen_first,
			       3 * sizeof(uint16_t)) == 0 &&
			again[i].proto == forwards[i].proto && again[i].all == forwards[i].all);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = malloc(size + 1);
	struct forward *forwards = NULL;
	unsigned n_messages = 0;
	size_t n = 0;
	int result;

	PROMISE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	result = forwards_parse(text, hear, &n_messages, &forwards, &n);
	PROMISE(result == 0 || result == -EINVAL);
	PROMISE((result == 0) == (n_messages == 0) && (result == 0) == (forwards != NULL));
	check(forwards, n);
	if (forwards)
		check_again(forwards, n);
	free(forwards);
	return 0;
}
