/*
 * casement: PID 1. main() reads as the order of boot.
 */
#include "init/pid1/channel.h"
#include "init/pid1/preflight.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

static const char usage[] =
	"Usage: casement [OPTION]...\n"
	"PID 1 for a Windows virtual machine in a container.\n"
	"\n"
	"  --config FILE  read FILE and the environment and nothing else\n"
	"  --check        check the configuration, devices and capabilities, start nothing\n"
	"  --keys         list the configuration's keys: section, key, type, default, meaning\n"
	"  --version      print the version\n"
	"  --help         print this text\n"
	"\n"
	"Exit codes: 0 the guest shut down, 10 it was destroyed at the deadline, 11 it crashed, 12 "
	"a service failed for good,\n"
	"64 usage, 69 a device, capability or kernel feature is missing, 78 configuration.\n";

struct options {
	const char *config;
	bool check;
};

/* Whoever asked for a text and did not get it must notice. */
static int printed(void)
{
	return fflush(stdout) == 0 ? 0 : 1;
}

/* Return: -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "keys", no_argument, NULL, 'l' },	    { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'c': ret_options->config = optarg; break;
		case 'k': ret_options->check = true; break;
		case 'l': config_print_keys(stdout); return printed();
		case 'v': puts("casement " CASEMENT_VERSION); return printed();
		case 'h': fputs(usage, stdout); return printed();
		default: fputs(usage, stderr); return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr,
		"casement: \"%s\": takes no arguments; services are configured, see --keys\n",
		argv[optind]);
	return EXIT_USAGE;
}

/* 0, 1 and 2 must be something, or the next descriptor that is opened becomes stdout. */
static void ensure_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return;
	}
}

static void report_config(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

static int open_everything(struct pid1 *pid1, const sigset_t *signals)
{
	int result;

	pid1->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pid1->signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (pid1->epoll_fd < 0 || pid1->signal_fd < 0)
		return -errno;
	result = loop_add(pid1->epoll_fd, pid1->signal_fd, EPOLLIN, SOURCE_SIGNAL, 0);
	for (size_t i = 0; i < pid1->config->n_services && !result; i++)
		result = channel_open(&pid1->channels[i], &pid1->config->services[i],
				      pid1->epoll_fd, i);
	if (result)
		return result;
	result = server_open(&pid1->server, STATUS_SOCKET, pid1->epoll_fd);
	if (result)
		log_error("%s: cannot be made: %s", STATUS_SOCKET, strerror(-result));
	return result;
}

static void log_end(const struct supervisor *supervisor)
{
	if (supervisor->no_children)
		log_info("exit %d: %s", supervisor->exit_code, supervisor->reason);
	else
		log_warning("exit %d: %s; some processes survived SIGKILL, see above",
			    supervisor->exit_code, supervisor->reason);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct config *config = NULL;
	struct pid1 *pid1 = NULL;
	sigset_t signals;
	int result;

	/*
	 * First: a signal that arrives before this is lost, because PID 1 has no default actions.
	 */
	loop_signals(&signals);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	/* Inherited as ignored it would make the kernel throw our children's wait statuses away. */
	signal(SIGCHLD, SIG_DFL);

	ensure_standard_fds();
	result = read_options(argc, argv, &options);
	if (result >= 0)
		return result;

	/* From the heap and zeroed by the kernel: pages that are never used are never there. */
	pid1 = calloc(1, sizeof(*pid1));
	if (!pid1)
		return EXIT_UNAVAILABLE;
	output_open(&pid1->output);
	outside_open(&pid1->outside);
	log_open("casement");
	log_redirect(output_sink, &pid1->output);

	if (config_load(options.config, report_config, NULL, &config) < 0)
		return EXIT_CONFIG;
	pid1->config = config;
	pid1->config_file = options.config;
	output_configure(&pid1->output, &config->log);
	log_set_level(config->log.level);

	if (preflight_names(config) < 0)
		return EXIT_CONFIG;
	if (!options.check && preflight_alone() < 0)
		return EXIT_USAGE;
	if (!options.check && preflight_prepare(config) < 0)
		return EXIT_UNAVAILABLE;
	if (preflight_check(config) < 0)
		return EXIT_UNAVAILABLE;
	if (options.check) {
		log_info("the configuration, the devices and the capabilities are in order");
		return 0;
	}

	/*
	 * What our children leave behind must come to us, also where we are not PID 1 (docker run
	 * --init, tests).
	 */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	effects_init(&pid1->effects, pid1);
	result = open_everything(pid1, &signals);
	if (result < 0)
		return result == -ESRCH ? EXIT_CONFIG : EXIT_UNAVAILABLE;
	supervisor_init(&pid1->supervisor, config, &pid1->effects, now_ms());
	pause_init(&pid1->pause);
	log_info("casement %s, pid %d", CASEMENT_VERSION, (int)getpid());
	if (pid1->supervisor.main)
		log_info("the guest's end may take %lld s: use docker stop -t or --stop-timeout; "
			 "Docker's default of 10 s is a power cut",
			 (long long)supervisor_guest_time(&pid1->supervisor) / 1000);

	/*
	 * From here on PID 1 must not die: no exit, no abort, no allocation but when it is asked to
	 * read its configuration again; what fails is retried, reported or stopped in order.
	 */
	loop_run(pid1);
	loop_drain(pid1);
	log_end(&pid1->supervisor);
	return pid1->supervisor.exit_code;
}
