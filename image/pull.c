/*
 * A name leads to a catalogue, a catalogue to a box, a box to a disk. A URL may lead to any of the
 * three: what begins with a brace is a catalogue.
 */
#include "image/pull.h"

#include "image/catalog.h"
#include "image/import.h"
#include "image/part.h"
#include "image/target.h"
#include "lib/log.h"

#include <ctype.h>
#include <errno.h>

#define ATTEMPTS 3 /* in a row that bring nothing */
#define PAUSE_MS 500
#define NAME_MAX_LENGTH 1024

/* Where a reply goes: into memory if it is a catalogue, else into the part. */
struct receiver {
	struct part *part; /* NULL: only a catalogue will do */
	bool may_be_catalog;
	bool is_catalog;
	bool begun; /* the first byte is there */
	struct http_reply reply;
	struct job *job;
	const char *name;
	char *text;
	size_t n;
};

static int out_of_memory(struct job *job)
{
	return failure_set(&job->failure, EXIT_UNAVAILABLE, -ENOMEM, "out of memory");
}

static int receive_begin(void *context, const struct http_reply *reply)
{
	struct receiver *receiver = context;

	/* What it is says its first byte. */
	receiver->reply = *reply;
	receiver->begun = false;
	receiver->n = 0;
	return 0;
}

static int add_text(struct receiver *receiver, const void *bytes, size_t n)
{
	char *longer;

	if (n > CATALOG_MAX - receiver->n)
		return failure_set(&receiver->job->failure, EXIT_CONFIG, -EFBIG,
				   "%s: is larger than %d MiB, so it is no catalogue of a box",
				   receiver->name, CATALOG_MAX >> 20);
	longer = realloc(receiver->text, receiver->n + n);
	if (!longer)
		return out_of_memory(receiver->job);
	receiver->text = longer;
	memcpy(longer + receiver->n, bytes, n);
	receiver->n += n;
	return 0;
}

static int receive_take(void *context, const void *bytes, size_t n)
{
	struct receiver *receiver = context;
	int result = 0;

	if (!receiver->begun && n > 0) {
		receiver->begun = true;
		receiver->is_catalog = !receiver->part ||
				       (receiver->may_be_catalog && receiver->reply.status == 200 &&
					*(const char *)bytes == '{');
		if (!receiver->is_catalog)
			result = part_begin(receiver->part, &receiver->reply);
	}
	if (result || n == 0)
		return result;
	return receiver->is_catalog ? add_text(receiver, bytes, n)
				    : part_take(receiver->part, bytes, n);
}

/** fetch() - Again and again, as long as something comes of it. */
static int fetch(struct job *job, const struct http_options *options, const char *url,
		 struct receiver *receiver)
{
	struct http_sink sink = { receive_begin, receive_take, receiver };
	unsigned in_vain = 0;
	int result;

	do {
		uint64_t before = receiver->part ? receiver->part->have : 0;
		struct http_request request = { .url = url,
						.name = receiver->name,
						.options = options };
		struct http_reply reply;

		/* Without a validator nobody knows whether the rest is the rest of the same. */
		if (receiver->part && receiver->part->validator[0]) {
			request.from = before;
			request.validator = receiver->part->validator;
		}
		result = http_get(job, &request, &sink, &reply);
		progress_end(&job->progress);
		in_vain = receiver->part && receiver->part->have > before ? 0 : in_vain + 1;
		if (result != -EAGAIN || in_vain >= ATTEMPTS)
			break;
		log_info("%s; trying again", job->failure.text);
		if (job_wait(job, PAUSE_MS))
			result = JOB_STOPPED;
	} while (result == -EAGAIN);
	return result;
}

static int verify(struct job *job, const char *name, struct checksum *checksum)
{
	char is[CHECKSUM_MAX_HEX];

	if (!checksum || checksum_matches(checksum, is))
		return 0;
	return failure_set(&job->failure, EXIT_UNAVAILABLE, -EBADMSG,
			   "%s: the checksum is not the one in the catalogue, but %s: the download "
			   "is thrown away; run it again, and if that does not help the catalogue "
			   "or the server is wrong",
			   name, is);
}

/** spoilt() - Is what was downloaded of no use for another attempt? */
static bool spoilt(int result)
{
	return result == 0 || result == -EBADMSG || result == -ESTALE || result == -ERANGE;
}

/**
 * download() - Get the file and import it.
 * @ret_catalog: filled instead, if it was a catalogue; NULL: it must not be one
 */
static int download(struct job *job, const struct pull *pull, const char *url,
		    struct checksum *checksum, const char *output, mode_t mode,
		    struct receiver *ret_catalog)
{
	char name[NAME_MAX_LENGTH];
	struct receiver receiver = { .job = job, .name = name, .may_be_catalog = ret_catalog };
	struct part part;
	int result;

	http_name(url, sizeof(name), name);
	result = part_open(job, output, name, checksum, &part);
	if (result == -ENOMEM)
		return out_of_memory(job);
	if (result)
		return result;
	receiver.part = &part;
	if (!part_complete(&part))
		result = fetch(job, &pull->options, url, &receiver);
	if (result == 0 && receiver.is_catalog && ret_catalog) {
		*ret_catalog = receiver;
		part_close(&part, false);
		return 0;
	}
	free(receiver.text);
	if (result == 0 && part.have == 0)
		result = failure_set(&job->failure, EXIT_UNAVAILABLE, -EBADMSG,
				     "%s: the server sent nothing: look at the URL", name);
	if (result == 0)
		result = verify(job, name, checksum);
	/* What cannot be imported is no better the next time; what has no room may be. */
	if (result == 0 && import_source(job, part.path, name, output, mode)) {
		result = job_stopped(job) ? JOB_STOPPED : -EIO;
		part_close(&part, result == JOB_STOPPED || job->failure.code == EXIT_UNAVAILABLE);
		return result;
	}
	part_close(&part, !spoilt(result));
	return result;
}

/** new_checksum() - Of the choice; NULL if there is none. */
static int new_checksum(struct job *job, const struct catalog_choice *choice, const char *name,
			struct checksum **ret_checksum)
{
	int result;

	*ret_checksum = NULL;
	if (!*choice->checksum_type) {
		log_warning("%s: the catalogue has no checksum for version %s: a damaged or forged "
			    "download would not be noticed",
			    name, choice->version);
		return 0;
	}
	result = checksum_new(choice->checksum_type, choice->checksum, ret_checksum);
	if (result)
		failure_set(&job->failure, EXIT_CONFIG, result,
			    "%s: its checksum for version %s, of type %s, is none that is known: "
			    "md5, sha1, sha256, sha384 and sha512 are; get the box by its own URL",
			    name, choice->version, choice->checksum_type);
	return result;
}

/** follow() - From a catalogue to the image. */
static int follow(struct job *job, const struct pull *pull, const char *url, const char *name,
		  const struct receiver *catalog, const char *output, mode_t mode)
{
	struct catalog_choice choice;
	struct checksum *checksum = NULL;
	autofree char *box = NULL;
	int result = catalog_choose(catalog->text ? catalog->text : "", catalog->n, pull->version,
				    name, &choice, &job->failure);

	if (result)
		return result;
	box = http_join(url, choice.url);
	if (!box || !http_is_url(box))
		return failure_set(&job->failure, EXIT_CONFIG, -EINVAL,
				   "%s: the URL of version %s is none that can be fetched: it must "
				   "be http or https",
				   name, choice.version);
	result = new_checksum(job, &choice, name, &checksum);
	if (result)
		return result;
	log_info("%s: version %s", name, choice.version);
	result = download(job, pull, box, checksum, output, mode, NULL);
	checksum_free(checksum);
	return result;
}

/** is_name() - OWNER/BOX, of characters that mean nothing in a URL. */
static bool is_name(const char *text)
{
	const char *slash = strchr(text, '/');

	if (!slash || slash == text || !slash[1] || strchr(slash + 1, '/') || strstr(text, ".."))
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("-_./", *text))
			return false;
	}
	return true;
}

/** pull_name() - Look it up first. */
static int pull_name(struct job *job, const struct pull *pull, const char *output, mode_t mode)
{
	struct receiver catalog = { .job = job };
	autofree char *url = NULL;
	char name[NAME_MAX_LENGTH];
	int result;

	if (!is_name(pull->what))
		return failure_set(&job->failure, EXIT_USAGE, -EINVAL,
				   "%s: is neither a URL nor the name of a box such as OWNER/BOX",
				   pull->what);
	if (!pull->catalog || !http_is_url(pull->catalog))
		return failure_set(
			&job->failure, EXIT_USAGE, -EINVAL,
			"%s: is a name, and no catalogue is known to look it up in: give "
			"its URL with --catalog or [guest] catalog, or the URL of the box "
			"itself",
			pull->what);
	if (asprintf(&url, "%s%s%s", pull->catalog,
		     pull->catalog[strlen(pull->catalog) - 1] == '/' ? "" : "/", pull->what) < 0) {
		url = NULL;
		return out_of_memory(job);
	}
	http_name(url, sizeof(name), name);
	catalog.name = name;
	result = fetch(job, &pull->options, url, &catalog);
	if (result == 0)
		result = follow(job, pull, url, name, &catalog, output, mode);
	free(catalog.text);
	return result;
}

int pull_image(struct job *job, const struct pull *pull, const char *output, mode_t mode)
{
	struct receiver catalog = { .job = job };
	char name[NAME_MAX_LENGTH];
	int result = target_free(output, &job->failure);

	target_sweep(output);
	if (result)
		return result;
	if (!http_is_url(pull->what))
		return pull_name(job, pull, output, mode);
	http_name(pull->what, sizeof(name), name);
	result = download(job, pull, pull->what, NULL, output, mode, &catalog);
	if (result == 0 && catalog.is_catalog)
		result = follow(job, pull, pull->what, name, &catalog, output, mode);
	free(catalog.text);
	return result;
}
