/* casement-image: brings a Windows in, at build time, by hand, or at a container's first start. */
#include "image/answers.h"
#include "image/import.h"
#include "image/prepare.h"
#include "image/pull.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/value.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <systemd/sd-daemon.h>

/* A base is read by QEMU's user, whom it does not belong to. */
#define BASE_MODE 0644

static const char help[] =
	"Usage: casement-image [--config FILE] VERB [OPTION]... [SOURCE]\n"
	"Make a disk image for the guest of what people have a Windows in.\n"
	"\n"
	"  import   SOURCE is a disk (qcow2, raw, VHD, VHDX, VMDK, VDI) or a Vagrant box for "
	"libvirt\n"
	"  pull     SOURCE is OWNER/BOX of a catalogue, or the URL of a catalogue, a box or a "
	"disk\n"
	"  prepare  import [guest] source, or make a disk to install [guest] iso on, if the guest "
	"has "
	"neither disk nor base\n"
	"  xml      print the libvirt domain XML that the guest would have here\n"
	"\n"
	"  --output PATH    what to make; [guest] base by default\n"
	"  --version V      pull: this version of the box, not the newest one\n"
	"  --catalog URL    pull: the catalogue; [guest] catalog by default\n"
	"  --ca FILE        pull: the certificates to trust, instead of the system's\n"
	"  --patience TIME  pull: how long a server may say nothing; 60s by default\n"
	"  --template FILE  prepare: of the answer file, instead of " ANSWERS_TEMPLATE "\n"
	"\n"
	"  --config FILE    read FILE and the environment, not the usual places\n"
	"  --help           this text\n"
	"  --version        the version\n"
	"\n"
	"Exit codes: 0 done, 64 usage, 69 no room or no server, 78 configuration or source, 128+n "
	"stopped by signal n.\n";

struct command {
	const char *output; /* as given; NULL: the default */
	struct pull pull;
	const char *template; /* of the answer file */
};

static void report_mistake(void *context, const char *message)
{
	(void)context;
	log_error("%s", message);
}

static int usage(void)
{
	log_error("try 'casement-image --help'");
	return EXIT_USAGE;
}

/** end() - From a result to an exit code, with the last words. */
static int end(struct job *job, int result)
{
	progress_end(&job->progress);
	if (result == 0)
		return EXIT_SUCCESS;
	if (result == JOB_STOPPED) {
		log_info("stopped: nothing was made");
		return 128 + job_signal(job);
	}
	/* Names in it are others': no line of the log is made by them. */
	for (char *at = job->failure.text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	log_error("%s", job->failure.text);
	sd_notifyf(0, "STATUS=%s", job->failure.text);
	return (int)job->failure.code;
}

/** absolute() - As seen from the working directory; allocated, NULL: out of memory. */
static char *absolute(const char *path)
{
	autofree char *directory = NULL;
	char *text;

	if (*path == '/')
		return strdup(path);
	directory = getcwd(NULL, 0);
	return directory && asprintf(&text, "%s/%s", directory, path) >= 0 ? text : NULL;
}

static int import(struct job *job, const struct config *config, const struct command *command,
		  const char *what)
{
	autofree char *source = absolute(what);
	autofree char *output = absolute(command->output ? command->output : config->guest.base);

	return source && output ? import_source(job, source, source, output, BASE_MODE) : -ENOMEM;
}

static int pull(struct job *job, const struct config *config, const struct command *command,
		const char *what)
{
	autofree char *output = absolute(command->output ? command->output : config->guest.base);
	struct pull wanted = command->pull;

	wanted.what = what;
	if (!wanted.catalog)
		wanted.catalog = config->guest.catalog;
	return output ? pull_image(job, &wanted, output, BASE_MODE) : -ENOMEM;
}

static int prepare(struct job *job, const struct config *config, const struct command *command,
		   const char *what)
{
	(void)what;
	return prepare_disk(job, &config->guest, command->template);
}

static const struct verb {
	const char *name;
	int n_arguments;
	int (*run)(struct job *job, const struct config *config, const struct command *command,
		   const char *what);
} verbs[] = { { "import", 1, import }, { "pull", 1, pull }, { "prepare", 0, prepare } };

/** parse_command() - The options of a verb. Return: 0 or an exit code. */
static int parse_command(int argc, char *argv[], const char *verb, struct command *command)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "version", required_argument, NULL, 'v' },
		{ "catalog", required_argument, NULL, 'c' },
		{ "ca", required_argument, NULL, 'a' },
		{ "patience", required_argument, NULL, 'p' },
		{ "template", required_argument, NULL, 't' },
		{ 0 },
	};
	const char *wanted;
	unsigned ms;
	int option;

	command->template = ANSWERS_TEMPLATE;
	command->pull.options.patience = 60;
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return usage();
		wanted = option == 't' ? "prepare" : option == 'o' ? verb : "pull";
		if (!streq(verb, wanted)) {
			log_error("this option is for %s", wanted);
			return usage();
		}
		switch (option) {
		case 'o': command->output = optarg; break;
		case 'v': command->pull.version = optarg; break;
		case 'c': command->pull.catalog = optarg; break;
		case 'a': command->pull.options.ca = optarg; break;
		case 't': command->template = optarg; break;
		default:
			if (value_duration(optarg, &ms) || ms < 1000) {
				log_error("\"%s\" is no time of a second or more", optarg);
				return usage();
			}
			command->pull.options.patience = ms / 1000;
		}
	}
	return 0;
}

/** show_xml() - Become casement-guest, which makes the XML: nothing else knows how. */
static int show_xml(const char *file, int argc, char *argv[])
{
	if (argc > 1) {
		log_error("%s: takes no argument", argv[0]);
		return usage();
	}
	execl(GUEST_PROGRAM, GUEST_PROGRAM, "--xml", file ? "--config" : NULL, file, NULL);
	log_error("%s cannot be executed: %s", GUEST_PROGRAM, strerror(errno));
	return EXIT_UNAVAILABLE;
}

/** run() - The verb and what follows it. */
static int run(const char *file, int argc, char *argv[])
{
	struct command command = { .output = NULL };
	const struct verb *verb = NULL;
	struct config *config;
	struct job job;
	int result;

	if (streq(argv[0], "xml"))
		return show_xml(file, argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (streq(argv[0], verbs[i].name))
			verb = &verbs[i];
	}
	if (!verb) {
		log_error("\"%s\" is not a verb", argv[0]);
		return usage();
	}
	result = parse_command(argc, argv, verb->name, &command);
	if (result)
		return result;
	if (argc - optind != verb->n_arguments) {
		log_error(verb->n_arguments ? "%s: wants one SOURCE" : "%s: takes no argument",
			  verb->name);
		return usage();
	}
	if (config_load(file, report_mistake, NULL, &config))
		return EXIT_CONFIG;
	log_set_level(config->log.level);
	result = job_init(&job);
	if (result == 0)
		result = verb->run(&job, config, &command, argv[optind]);
	result = end(&job, result);
	config_free(config);
	return result;
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

	log_open("image");
	/* Names of an archive's members are UTF-8, and messages stay English. */
	setlocale(LC_CTYPE, "C.UTF-8");
	/* Up to the verb, whose options are its own. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'c': file = optarg; break;
		case 'h': fputs(help, stdout); return EXIT_SUCCESS;
		case 'v': puts("casement-image " CASEMENT_VERSION); return EXIT_SUCCESS;
		default: return usage();
		}
	}
	if (optind == argc) {
		log_error("a verb is missing");
		return usage();
	}
	return run(file, argc - optind, argv + optind);
}
