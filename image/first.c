/*
 * casement-prepare: casement-image prepare, if there is anything to prepare.
 *
 * A container starts often and imports, or installs, once. casement-image loads some forty
 * libraries for that, which takes as long as libvirtd's start; this program loads none.
 */
#include "image/need.h"
#include "lib/log.h"
#include "lib/wire.h"

#include <errno.h>
#include <getopt.h>

static void report_mistake(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

/** become() - The program that does it. */
static int become(char *program, char *file)
{
	char *with_file[] = { program, (char[]){ "--config" }, file, (char[]){ "prepare" }, NULL };
	char *without[] = { program, (char[]){ "prepare" }, NULL };

	execv(program, file ? with_file : without);
	log_error("%s: cannot be run: %s", program, strerror(errno));
	return EXIT_UNAVAILABLE;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ 0 },
	};
	char *file = NULL;
	struct config *config;
	bool needed;
	int option;

	log_open("image");
	while ((option = getopt_long(argc, argv, "", options, NULL)) == 'c')
		file = optarg;
	if (option != -1 || argc - optind != 1) {
		log_error("usage: casement-prepare [--config FILE] CASEMENT-IMAGE");
		return EXIT_USAGE;
	}
	if (config_load(file, report_mistake, NULL, &config))
		return EXIT_CONFIG;
	needed = need_of(&config->guest) != NEED_NOTHING;
	config_free(config);
	return needed ? become(argv[optind], file) : EXIT_SUCCESS;
}
