/* casement-netfw: options, configuration, then one verb. */
#include "lib/config.h"
#include "lib/log.h"
#include "lib/wire.h"
#include "netfw/commands.h"

#include <errno.h>
#include <getopt.h>

static const char help[] =
	"Usage: casement-netfw [OPTION]... VERB\n"
	"Make the network of the container's guest: bridge, addresses, port forwards.\n"
	"\n"
	"  run     make it and keep it: put right what others change, follow the configuration on\n"
	"          SIGHUP, count; until SIGTERM, which leaves everything as it is\n"
	"  up      make it, or make it match the configuration; doing so twice changes nothing\n"
	"  down    remove what up made, and nothing else\n"
	"  show    print the packet filter that up would load, as nft(8) writes it, with counters\n"
	"  check   say whether up would work, without changing anything\n"
	"\n"
	"  --config FILE   read FILE and the environment, not the usual places\n"
	"  --help          this text\n"
	"  --version       the version\n"
	"\n"
	"Exit codes: 0 done, 64 usage, 69 a capability or kernel feature is missing, 78 "
	"configuration, 1 anything else.\n";

static const struct {
	const char *name;
	int (*run)(const struct config *config); /* NULL: command_run() */
} verbs[] = {
	{ "run", NULL },	  { "up", command_up },	      { "down", command_down },
	{ "show", command_show }, { "check", command_check },
};

static void report_mistake(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

/** usage() - What was wrong with the command line is said already. */
static int usage(void)
{
	log_error("try 'casement-netfw --help'");
	return EXIT_USAGE;
}

/** run() - Read the configuration and do what @name says. */
static int run(const char *file, const char *name)
{
	struct config *config = NULL;
	int r, code = -1;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!streq(name, verbs[i].name))
			continue;
		r = config_load(file, report_mistake, NULL, &config);
		if (r < 0)
			return r == -EINVAL ? EXIT_CONFIG : EXIT_FAILURE;
		log_set_level(config->log.level);
		code = verbs[i].run ? verbs[i].run(config) : command_run(file, &config);
		config_free(config);
	}
	if (code < 0) {
		log_error("\"%s\" is not a verb", name);
		return usage();
	}
	return code;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	const char *file = NULL;
	int option;

	log_open("netfw");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': file = optarg; break;
		case 'h': fputs(help, stdout); return EXIT_SUCCESS;
		case 'v': puts("casement-netfw " CASEMENT_VERSION); return EXIT_SUCCESS;
		default: return usage();
		}
	}
	if (argc - optind != 1) {
		log_error(argc == optind ? "a verb is missing" : "there is more than one verb");
		return usage();
	}
	return run(file, argv[optind]);
}
