/*
 * casementctl: asks PID 1's status socket. `health` is the image's HEALTHCHECK: its exit code is 0
 * or 1, nothing else.
 */
#include "init/ctl/show.h"
#include "init/ctl/value.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <errno.h>
#include <getopt.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* PID 1 answers within a millisecond; one that does not in this time is not well. */
#define PATIENCE_SECONDS 5

static const char usage[] =
	"Usage: casementctl [OPTION]... VERB\n"
	"Ask casement, PID 1 of this container, how things are.\n"
	"\n"
	"  status         how the container, its guest and its services are\n"
	"  health         \"ok\" or \"fail REASON\"; exit code 0 or 1\n"
	"  ready          \"ok\" once the guest answers RDP, else \"wait "
	"REASON\"; exit code 0 or 1\n"
	"  watch          one JSON line for every change, until interrupted\n"
	"  metrics        Prometheus text\n"
	"  freeze         make the guest as it is now one that new containers go on from;\n"
	"                 ends this one\n"
	"\n"
	"  --json         status: the JSON line as it is\n"
	"  --wait         ready: wait until it is\n"
	"  --force        freeze: without asking Windows whether an update is under way\n"
	"  --socket PATH  ask there instead of " STATUS_SOCKET "\n"
	"  --version      print the version\n"
	"  --help         print this text\n";

struct options {
	const char *socket;
	const char *verb;
	bool json;
	bool wait;
	bool force;
};

/* Return: -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "wait", no_argument, NULL, 'w' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "force", no_argument, NULL, 'f' },
		{ 0 },
	};
	static const char *const verbs[] = { "status", "health",  "ready",
					     "watch",  "metrics", "freeze" };
	int option;

	*ret_options = (struct options){ .socket = STATUS_SOCKET };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'j': ret_options->json = true; break;
		case 'w': ret_options->wait = true; break;
		case 'f': ret_options->force = true; break;
		case 's': ret_options->socket = optarg; break;
		case 'v': puts("casementctl " CASEMENT_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return EXIT_USAGE;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs) && optind == argc - 1; i++) {
		if (streq(argv[optind], verbs[i]))
			ret_options->verb = verbs[i];
	}
	if (ret_options->verb)
		return -1;
	if (optind < argc)
		fprintf(stderr, "casementctl: \"%s\" is not a verb\n", argv[optind]);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

/* What an error of connect(2) means here. */
static const char *explain(int error)
{
	switch (error) {
	case EACCES: return ": be root or in the group casement";
	case ENOENT:
	case ECONNREFUSED: return ": is casement running in this container?";
	default: return "";
	}
}

static void say_no_answer(const char *path)
{
	fprintf(stderr, "casementctl: %s: no answer within %d s\n", path, PATIENCE_SECONDS);
}

/* Send a verb. Return: the answer as a stream, or NULL after a message. */
static FILE *ask(const char *path, const char *verb, bool patient)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval forever = { 0 }, patience = { .tv_sec = PATIENCE_SECONDS };
	char line[32];
	FILE *answer;

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "casementctl: %s: the path is too long for a socket\n", path);
		return NULL;
	}
	memcpy(address.sun_path, path, strlen(path));
	/* connect(2), too, waits for it: where nobody accepts, the queue is full some day. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patient ? &forever : &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EAGAIN)
			say_no_answer(path);
		else
			fprintf(stderr, "casementctl: %s: %s%s\n", path, strerror(errno),
				explain(errno));
		return NULL;
	}
	snprintf(line, sizeof(line), "%s\n", verb);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0) {
		fprintf(stderr, "casementctl: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	answer = fdopen(fd, "r");
	if (answer)
		take_fd(&fd);
	return answer;
}

static int no_answer(const char *path)
{
	say_no_answer(path);
	return 1;
}

/* Print whatever comes until the other side is done. */
static int copy(const struct options *options)
{
	autofclose FILE *answer =
		ask(options->socket, options->verb, streq(options->verb, "watch"));
	autofree char *line = NULL;
	size_t size = 0;
	bool any = false;

	if (!answer)
		return 1;
	while (getline(&line, &size, answer) > 0) {
		if (!any && strncmp(line, "fail ", 5) == 0) {
			fprintf(stderr, "casementctl: %s: %s", options->socket, line + 5);
			return 1;
		}
		any = true;
		if (fputs(line, stdout) < 0 || fflush(stdout) < 0)
			return 1;
	}
	return any ? 0 : no_answer(options->socket);
}

static int status(const struct options *options)
{
	autofclose FILE *answer = ask(options->socket, "status", false);
	autofree char *line = NULL;
	size_t size = 0;

	if (!answer)
		return 1;
	if (getline(&line, &size, answer) <= 0)
		return no_answer(options->socket);
	if (options->json)
		return fputs(line, stdout) < 0;
	if (show_status(stdout, line, isatty(STDOUT_FILENO) == 1) < 0) {
		fprintf(stderr, "casementctl: %s: the answer is not a status: %s", options->socket,
			line);
		return 1;
	}
	return 0;
}

/* "ok" is success, everything else is not. */
static int yes_or_no(const struct options *options)
{
	autofclose FILE *answer = ask(options->socket, options->verb, false);
	autofree char *line = NULL;
	size_t size = 0;

	if (!answer)
		return 1;
	if (getline(&line, &size, answer) <= 0)
		return no_answer(options->socket);
	fputs(line, stdout);
	return streq(line, "ok\n") ? 0 : 1;
}

/* Every change is a reason to ask again; no change, no work. */
static int wait_until_ready(const struct options *options)
{
	autofclose FILE *changes = ask(options->socket, "watch", true);
	autofree char *line = NULL;
	size_t size = 0;

	if (!changes)
		return 1;
	while (getline(&line, &size, changes) > 0) {
		if (strstr(line, "\"state\":\"ready\",\"reason\"")) {
			puts("ok");
			return 0;
		}
	}
	fprintf(stderr, "casementctl: the container stopped before the guest was ready\n");
	return 1;
}

/* One line of `watch`. Return: -1 to go on, or the exit code. */
static int follow_freeze(const char *line)
{
	json_t *status = json_loads(line, 0, NULL);
	const json_t *guest = json_object_get(status, "guest");
	const char *state = text_of(guest, "freeze");
	int result = -1;

	if (streq(state, "done")) {
		printf("frozen: %s\n", text_of(guest, "frozen"));
		fflush(stdout);
		result = 0;
	} else if (streq(state, "failed")) {
		fprintf(stderr, "casementctl: the guest is not frozen: %s\n",
			text_of(guest, "freeze_reason"));
		result = 1;
	}
	json_decref(status);
	return result;
}

/* Ask for it. Return: 0 if it has begun. */
static int begin_freeze(const struct options *options)
{
	autofclose FILE *answer =
		ask(options->socket, options->force ? "freeze force" : "freeze", false);
	autofree char *line = NULL;
	size_t size = 0;

	if (!answer)
		return 1;
	if (getline(&line, &size, answer) <= 0)
		return no_answer(options->socket);
	if (!streq(line, "ok\n")) {
		fprintf(stderr, "casementctl: the guest is not frozen: %s",
			strncmp(line, "fail ", 5) == 0 ? line + 5 : line);
		return 1;
	}
	/* Whoever sees nothing more has been cut off by the container's end. */
	puts("freezing the guest; then the container ends");
	fflush(stdout);
	return 0;
}

/* Ask for it, and wait for what comes of it. */
static int freeze(const struct options *options)
{
	autofclose FILE *changes =
		begin_freeze(options) ? NULL : ask(options->socket, "watch", true);
	autofree char *line = NULL;
	size_t size = 0;
	int result = -1;

	if (!changes)
		return 1;
	while (result < 0 && getline(&line, &size, changes) > 0)
		result = follow_freeze(line);
	if (result < 0)
		fprintf(stderr, "casementctl: the container stopped before the guest was frozen\n");
	return result ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options options;
	int result = read_options(argc, argv, &options);

	if (result >= 0)
		return result;
	if (streq(options.verb, "status"))
		return status(&options);
	if (streq(options.verb, "ready") && options.wait)
		return wait_until_ready(&options);
	if (streq(options.verb, "freeze"))
		return freeze(&options);
	if (streq(options.verb, "health") || streq(options.verb, "ready"))
		return yes_or_no(&options);
	return copy(&options);
}
