#include "image/qemu_img.h"

#include "image/child.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define MAX_WORDS 12

/* Exit codes of qemu-img check. */
#define CHECK_LEAKS 3	 /* space that nobody uses: no harm */
#define CHECK_UNKNOWN 63 /* the format has nothing to check */

/** run() - qemu-img with @words, a list that ends with NULL. */
static int run(struct job *job, const char *const words[],
	       void (*watch)(struct job *job, const char *text), struct child_output *output)
{
	char *argv[MAX_WORDS + 2] = { (char[]){ QEMU_IMG } };
	int result;

	/* execve(2) changes none of them; its prototype is older than const. */
	for (size_t i = 0; words[i] && i < MAX_WORDS; i++)
		memcpy(&argv[i + 1], &words[i], sizeof(argv[0]));
	result = child_run(job, argv, watch, output);
	if (result && result != JOB_STOPPED)
		failure_set(&job->failure, EXIT_UNAVAILABLE, result, QEMU_IMG ": cannot be run: %s",
			    strerror(-result));
	return result;
}

/** complain() - It has ended with an error. */
static int complain(struct job *job, const char *path, const struct child_output *output)
{
	/* It begins its lines with its own name. */
	const char *text =
		strncmp(output->error, "qemu-img: ", 10) == 0 ? output->error + 10 : output->error;

	if (!*text)
		return failure_set(&job->failure, EXIT_CONFIG, -EIO,
				   "%s: qemu-img ended with %d and said nothing", path,
				   output->code);
	return failure_set(&job->failure, EXIT_CONFIG, -EIO, "%s: qemu-img: %s", path, text);
}

int qemu_img_check(struct job *job, const char *path, const char *format, const char *name)
{
	const char *words[] = { "check", "-q", "-f", format, path, NULL };
	autofree struct child_output *output = malloc(sizeof(*output));
	int result = output ? run(job, words, NULL, output) : -ENOMEM;

	if (result || output->code == 0 || output->code == CHECK_LEAKS ||
	    output->code == CHECK_UNKNOWN)
		return result;
	return failure_set(&job->failure, EXIT_CONFIG, -EBADMSG,
			   "%s: is damaged, says qemu-img check: get it again, or look at it with "
			   "qemu-img check (%.300s)",
			   name, output->error);
}

/** ask() - Run it for a JSON object. @ret_root: to be given back. */
static int ask(struct job *job, const char *const words[], const char *path, json_t **ret_root)
{
	autofree struct child_output *output = malloc(sizeof(*output));
	int result = output ? run(job, words, NULL, output) : -ENOMEM;
	json_error_t error;

	if (result)
		return result;
	if (output->code)
		return complain(job, path, output);
	*ret_root = json_loadb(output->out, output->n_out, 0, &error);
	if (*ret_root)
		return 0;
	return failure_set(&job->failure, EXIT_UNAVAILABLE, -EBADMSG,
			   "%s: qemu-img gave no answer that can be read: %s", path, error.text);
}

int qemu_img_alone(struct job *job, const struct source *source)
{
	const char *words[] = { "info", "--output=json", "-f", source->format, source->path, NULL };
	const char *backing;
	json_t *root = NULL;
	int result = ask(job, words, source->name, &root);

	if (result)
		return result;
	backing = json_string_value(json_object_get(root, "backing-filename"));
	if (backing)
		result = failure_set(&job->failure, EXIT_CONFIG, -EINVAL,
				     "%s: is an overlay on %.200s, and an image that needs another "
				     "file is not imported: make one of both with qemu-img convert "
				     "-O qcow2",
				     source->name, backing);
	json_decref(root);
	return result;
}

int qemu_img_measure(struct job *job, const struct source *source, uint64_t *ret_bytes)
{
	const char *words[] = { "measure", "--output=json", "-f",	  source->format,
				"-O",	   "qcow2",	    source->path, NULL };
	json_t *root = NULL;
	int result = ask(job, words, source->name, &root);

	if (result)
		return result;
	*ret_bytes = (uint64_t)json_integer_value(json_object_get(root, "required"));
	json_decref(root);
	return 0;
}

int qemu_img_create(struct job *job, const char *path, uint64_t size)
{
	char bytes[24];
	const char *words[] = { "create", "-q", "-f", "qcow2", path, bytes, NULL };
	autofree struct child_output *output = malloc(sizeof(*output));
	int result;

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	result = output ? run(job, words, NULL, output) : -ENOMEM;
	if (result || output->code == 0)
		return result;
	return complain(job, path, output);
}

/** watch_percents() - "    (12.34/100%)\r", again and again. */
static void watch_percents(struct job *job, const char *text)
{
	const char *last = strrchr(text, '(');
	double part = last ? strtod(last + 1, NULL) : 0;

	if (part >= 0 && part <= 100)
		progress_at(&job->progress, (uint64_t)(part / 100 * (double)job->progress.total));
}

int qemu_img_convert(struct job *job, const struct source *source, const char *to)
{
	const char *words[] = { "convert",    "-p", "-f", source->format, "-O", "qcow2",
				source->path, to,   NULL };
	autofree struct child_output *output = malloc(sizeof(*output));
	int result = output ? run(job, words, watch_percents, output) : -ENOMEM;

	if (result || output->code == 0)
		return result;
	return complain(job, source->name, output);
}
