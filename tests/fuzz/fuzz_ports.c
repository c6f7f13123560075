/* A list of ports. What is accepted is sorted, with a port free between two of them, and means what
 * the same list means as forwards, if that has no conflict. */
#include "fuzz.h"

#include "lib/ports.h"
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

static void check(const struct forward *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct forward *p = &ports[i], *last = i ? p - 1 : NULL;

		PROMISE(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP);
		PROMISE(p->listen_first > 0 && p->listen_first <= p->listen_last);
		PROMISE(p->guest_first == p->listen_first && !p->all && p->entry > 0);
		if (last && last->proto == p->proto)
			PROMISE(last->listen_last + 1 < p->listen_first);
		else if (last)
			PROMISE(last->proto < p->proto);
	}
}

/* Every port of @some is one of @ports. */
static void check_covers(const struct forward *ports, size_t n, const struct forward *some,
			 size_t n_some)
{
	for (size_t i = 0, at = 0; i < n_some; i++) {
		while (at < n && (ports[at].proto != some[i].proto ||
				  ports[at].listen_last < some[i].listen_first))
			at++;
		PROMISE(at < n && ports[at].listen_first <= some[i].listen_first &&
			ports[at].listen_last >= some[i].listen_last);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = malloc(size + 1);
	struct forward *ports = NULL, *forwards = NULL;
	unsigned n_messages = 0;
	size_t n = 0, n_forwards = 0;
	int result;

	PROMISE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	result = ports_parse(text, hear, &n_messages, &ports, &n);
	PROMISE(result == 0 || result == -EINVAL);
	PROMISE((result == 0) == (n_messages == 0) && (result == 0) == (ports != NULL));
	check(ports, n);
	if (ports && forwards_parse(text, NULL, NULL, &forwards, &n_forwards) == 0)
		check_covers(ports, n, forwards, n_forwards);
	free(ports);
	free(forwards);
	return 0;
}
