/* The verbs that do their work and leave. */
#include "netfw/commands.h"

#include "lib/log.h"
#include "lib/wire.h"
#include "netfw/lock.h"
#include "netfw/publish.h"
#include "netfw/session.h"

#include <errno.h>

int command_up(const struct config *config)
{
	struct session session;
	autoclose int lock = -1;
	int code = lock_take(&lock);

	if (code)
		return code;
	code = session_open(&session, config);
	if (code == 0)
		code = session_up(&session);
	if (code == 0) {
		session_announce(&session);
		publish_once(&session);
		session_notify(&session, "");
	}
	session_close(&session);
	return code;
}

int command_down(const struct config *config)
{
	struct session session = { .config = config };
	autoclose int lock = -1;
	int code = lock_take(&lock);

	if (code)
		return code;
	/*
	 * No choice here: it must be possible to clear a network that could not be chosen any more.
	 */
	unlink(NETINFO_FILE);
	unlink(DNSMASQ_FILE);
	if (netfw_open(NETFW_TABLE, &session.netfw, &session.error) < 0 ||
	    netfw_clear(session.netfw, config->network.bridge, &session.error) < 0)
		code = session_report(&session, config);
	session_close(&session);
	return code;
}

int command_show(const struct config *config)
{
	struct session session;
	int code = session_open(&session, config);

	if (code == 0 && netfw_print(session.netfw, &session.network, &session.demand.rules, stdout,
				     &session.error) < 0)
		code = session_report(&session, config);
	if (code == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
		log_error("the ruleset cannot be printed: %s", strerror(errno));
		code = EXIT_FAILURE;
	}
	session_close(&session);
	return code;
}

int command_check(const struct config *config)
{
	struct session session;
	int code = session_open(&session, config);

	if (code == 0 &&
	    netfw_check(session.netfw, &session.network, &session.demand.rules, &session.error) < 0)
		code = session_report(&session, config);
	if (code == 0)
		session_announce(&session);
	session_close(&session);
	return code;
}
