/*
 * casement-guest: defines, boots, watches and stops the guest. The only program that talks to
 * libvirtd.
 *
 * It is a service of PID 1 (type=notify, main=yes): its end is the container's end, unless a fault
 * ends it; then the guest lives on, and the next casement-guest takes it over.
 */
#include "init/guest/describe.h"
#include "init/guest/keeper.h"
#include "init/guest/signals.h"
#include "lib/config.h"
#include "lib/log.h"

#include <errno.h>
#include <getopt.h>
#include <libvirt/libvirt.h>
#include <libxml/parser.h>
#include <malloc.h>
#include <systemd/sd-daemon.h>

static const char help[] =
	"Usage: casement-guest [--config FILE] [--xml]\n"
	"Define, boot, watch and stop the guest. PID 1 of the container starts it.\n\n"
	"  --config FILE  read FILE and the environment and nothing else\n"
	"  --xml          print the domain XML that would be defined here, and start nothing\n"
	"  --help         print this\n"
	"  --version      print the version\n";

/** parse_options() - Return: -1 to go on, or an exit code. */
static int parse_options(int argc, char *argv[], const char **ret_config, bool *ret_xml)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "xml", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*ret_config = NULL;
	*ret_xml = false;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': *ret_config = optarg; break;
		case 'x': *ret_xml = true; break;
		case 'h': fputs(help, stdout); return EXIT_SUCCESS;
		case 'v': puts("casement-guest " CASEMENT_VERSION); return EXIT_SUCCESS;
		default: fputs("Try casement-guest --help.\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"casement-guest: '%s' is one argument too many; try casement-guest "
			"--help\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

static void report_mistake(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

/** keep() - From a valid configuration to the guest's end. Return: the exit code. */
static int keep(const struct config *config)
{
	static struct keeper keeper; /* too big for comfort on the stack */
	struct failure failure;
	struct plan plan;
	int result;

	if (plan_begin(&plan, config, NETINFO_FILE, &failure)) {
		log_error("%s", failure.text);
		return (int)failure.code;
	}
	result = virEventRegisterDefaultImpl();
	if (result == 0)
		result = signals_open();
	if (result >= 0)
		result = keeper_init(&keeper, config, &plan, &keeper_paths, result);
	if (result < 0) {
		log_error("no event loop can be made: %s", strerror(-result));
		return EXIT_UNAVAILABLE;
	}
	result = keeper_run(&keeper);
	if (result == EXIT_GUEST_OFF)
		log_info("%s", keeper.last_words);
	else
		log_error("%s", keeper.last_words);
	return result;
}

int main(int argc, char *argv[])
{
	const char *file;
	struct config *config;
	bool xml;
	int code;

	/* Before anything else: a signal that comes now is dealt with by the event loop. */
	signals_block();
	code = parse_options(argc, argv, &file, &xml);
	if (code >= 0)
		return code;
	/*
	 * PID 1 waits for a word before it asks a service to stop that it has restarted in the
	 * middle of a stop.
	 */
	sd_notify(0, "STATUS=reading the configuration");
	log_open("guest");
	/* Two threads that hardly ever allocate at once do not need two heaps. */
	mallopt(M_ARENA_MAX, 1);
	xmlInitParser();
	if (config_load(file, report_mistake, NULL, &config))
		return EXIT_CONFIG;
	log_set_level(config->log.level);
	code = xml ? describe_guest(config) : keep(config);
	/*
	 * The worker may be inside a call that never returns, and destructors would wait for what
	 * it holds. Everything that matters is written.
	 */
	fflush(NULL);
	_exit(code);
}
