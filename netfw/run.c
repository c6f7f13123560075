/*
 * `run`: what `up` does, and then it stays. Five things wake it:
 *
 *   SIGHUP           the configuration is read again. Forwards, kept ports, whom the guest sees and
 *                    what a removal does are applied to the running guest; the network itself stays
 *                    as it is, and PID 1 says so. A configuration that is bad changes nothing.
 *   others' changes  the rules are compared with what they should be and put right
 *   new devices      the guest's, plugged into the bridge, may need a setting
 *   a timer          the counters are copied to where PID 1 finds them
 *   SIGTERM          it leaves; rules and bridge stay, the guest may still be using them
 */
#include "netfw/commands.h"

#include "lib/config_adopt.h"
#include "lib/log.h"
#include "lib/wire.h"
#include "netfw/lock.h"
#include "netfw/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

/* How old the counters in the status may be. */
#define COUNT_INTERVAL_MS 5000

/* Time between two looks at the rules, however often others change them. */
#define CHECK_INTERVAL_MS 100

/* Time until the next look when they could not be put right. */
#define RETRY_INTERVAL_MS 1000

#define NEVER INT64_MAX

struct keeper {
	const char *file;	/* of the configuration; NULL: the usual places */
	struct config **config; /* the caller's, replaced by a reload */
	struct session session;
	struct publication publication;
	int signal_fd;
	int watch_fd;
	int port_fd;
	int64_t next_count;
	int64_t next_check; /* NEVER: nothing has happened */
	int64_t checked;    /* the last time */
	bool failing;	    /* the rules could not be put right, and that was said */
};

static void report_mistake(void *context, const char *message)
{
	log_error("%s", message);
	config_mistakes_note(context, message);
}

/** refuse() - A reload has failed: the old configuration stays. */
static void refuse(const char *reason)
{
	sd_notifyf(false, "READY=1\n%s=failed\n%s=%s", WIRE_RELOAD, WIRE_RELOAD_REASON, reason);
}

/** adopt() - Put @config and @demand, which are in force, in the place of the old ones. */
static void adopt(struct keeper *keeper, struct config *config, struct demand *demand)
{
	struct session *session = &keeper->session;

	demand_free(&session->demand);
	session->demand = *demand;
	config_free(*keeper->config);
	*keeper->config = config;
	session->config = config;
	/* It points into the configuration. */
	session->wish.bridge = session->network.bridge;
	log_set_level(config->log.level);
}

/** schedule_check() - Somebody may have changed the rules: look soon, but not all the time. */
static void schedule_check(struct keeper *keeper, int64_t now)
{
	struct netfw_foreign foreign;
	int64_t earliest = keeper->checked + CHECK_INTERVAL_MS;

	if (!netfw_foreign_changes(keeper->session.netfw, &foreign))
		return;
	if (foreign.pid)
		log_debug("%s, pid %" PRIu32 ", has changed the packet filter", foreign.name,
			  foreign.pid);
	if (keeper->next_check == NEVER)
		keeper->next_check = now > earliest ? now : earliest;
}

/** reload() - Read the configuration again and apply what a running guest can be given. */
static void reload(struct keeper *keeper)
{
	struct session *session = &keeper->session;
	struct config_mistakes mistakes = { 0 };
	struct config *config = NULL;
	struct demand demand = { 0 };
	enum netfw_change change;
	char reason[300];
	int r;

	sd_notify(false, "RELOADING=1");
	r = config_load(keeper->file, report_mistake, &mistakes, &config);
	if (r == 0)
		r = demand_make(&config->network, &demand);
	if (r < 0) {
		config_free(config);
		if (!mistakes.n)
			report_mistake(&mistakes, strerror(-r));
		refuse(config_mistakes_text(&mistakes, reason, sizeof(reason)));
		return;
	}
	r = netfw_apply(session->netfw, &session->network, &demand.rules, &change, &session->error);
	if (r < 0) {
		session_report(session, config);
		refuse(session->error.text);
		demand_free(&demand);
		config_free(config);
		return;
	}
	adopt(keeper, config, &demand);
	if (change != NETFW_UNCHANGED) {
		session_end_flows(session, config);
		log_info("%zu forwards are in force", session->demand.rules.n_forwards);
	}
	publish(&keeper->publication, session, config);
	session_notify(session, "\nREADY=1\n" WIRE_RELOAD "=ok");
}

/** check() - Look at the rules, and put right what is not as it should be. */
static void check(struct keeper *keeper, int64_t now)
{
	struct session *session = &keeper->session;
	enum netfw_change change;
	int r = netfw_apply(session->netfw, &session->network, &session->demand.rules, &change,
			    &session->error);

	keeper->checked = now;
	keeper->next_check = r < 0 ? now + RETRY_INTERVAL_MS : NEVER;
	if (r < 0) {
		if (!keeper->failing)
			log_error("the rules are not as they should be and cannot be put right: %s",
				  session->error.text);
		keeper->failing = true;
		return;
	}
	if (change != NETFW_UNCHANGED) {
		log_warning("somebody has changed the rules of the guest's network: they are put "
			    "right");
		keeper->publication.repairs++;
		session_end_flows(session, *keeper->config);
		publish_counts(&keeper->publication, session);
	}
	keeper->failing = false;
	/* Meanwhile nobody listened. */
	schedule_check(keeper, now);
}

/** count() - Bring the counters up to date; that there are none says that somebody was here. */
static void count(struct keeper *keeper, int64_t now)
{
	if (publish_counts(&keeper->publication, &keeper->session) == -ENOENT &&
	    keeper->next_check == NEVER)
		keeper->next_check = now;
	keeper->next_count = now + COUNT_INTERVAL_MS;
}

/** take_signals() - Return: whether to go on. */
static bool take_signals(struct keeper *keeper)
{
	struct signalfd_siginfo info;
	bool hangup = false;

	while (read(keeper->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return false;
		hangup = true;
	}
	if (hangup)
		reload(keeper);
	return true;
}

static int wait_ms(const struct keeper *keeper, int64_t now)
{
	int64_t next =
		keeper->next_check < keeper->next_count ? keeper->next_check : keeper->next_count;

	return next > now ? (int)(next - now) : 0;
}

/** loop() - Until a signal ends it. */
static void loop(struct keeper *keeper)
{
	/* What the second one has to say is asked for at every turn. */
	struct pollfd fds[] = {
		{ .fd = keeper->signal_fd, .events = POLLIN },
		{ .fd = keeper->watch_fd, .events = POLLIN },
		{ .fd = keeper->port_fd, .events = POLLIN },
	};

	for (;;) {
		int64_t now = now_ms();

		schedule_check(keeper, now);
		if (keeper->next_check <= now)
			check(keeper, now);
		if (keeper->next_count <= now)
			count(keeper, now);
		poll(fds, ARRAY_SIZE(fds), wait_ms(keeper, now));
		if (fds[0].revents && !take_signals(keeper))
			return;
		if (fds[2].revents)
			session_tend_ports(&keeper->session);
	}
}

/** open_watches() - What others do is heard from here on. Return: 0 or an exit code, logged. */
static int open_watches(struct keeper *keeper)
{
	struct session *session = &keeper->session;

	if (netfw_watch(session->netfw, &keeper->watch_fd, &session->error) < 0 ||
	    netfw_watch_ports(session->netfw, &keeper->port_fd, &session->error) < 0)
		return session_report(session, *keeper->config);
	/* Between the rules and the listening somebody may have been here. */
	keeper->next_check = now_ms();
	session_tend_ports(session);
	return 0;
}

/** open_signals() - From here on they are read. Return: 0 or an exit code, after it was logged. */
static int open_signals(struct keeper *keeper)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (keeper->signal_fd >= 0)
		return 0;
	log_error("signals cannot be received: %s", strerror(errno));
	return EXIT_FAILURE;
}

int command_run(const char *file, struct config **config)
{
	struct keeper keeper = {
		.file = file, .config = config, .signal_fd = -1, .next_check = NEVER
	};
	struct session *session = &keeper.session;
	autoclose int lock = -1;
	int code = lock_take(&lock);

	if (code)
		return code;
	code = open_signals(&keeper);
	if (code)
		return code;
	code = session_open(session, *config);
	if (code == 0)
		code = session_up(session);
	if (code == 0)
		code = open_watches(&keeper);
	if (code == 0) {
		session_announce(session);
		publish(&keeper.publication, session, *config);
		session_notify(session, "\nREADY=1");
		keeper.next_count = now_ms() + COUNT_INTERVAL_MS;
		loop(&keeper);
		sd_notify(false, "STOPPING=1");
	}
	publish_close(&keeper.publication);
	session_close(session);
	close(keeper.signal_fd);
	return code;
}
