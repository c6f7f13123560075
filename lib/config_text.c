#include "lib/config_text.h"

#include "lib/config.h"
#include "lib/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/**
 * open_regular() - Open a file of which reading cannot block: PID 1 does so while it runs.
 *
 * Return: 0, -ENXIO if it is not a regular file, -EFBIG if it is larger than a configuration may
 * be, or -errno.
 */
static int open_regular(const char *path, int *ret_fd)
{
	/* Otherwise a FIFO would wait for its other end, and a terminal would become PID 1's. */
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	/* ENXIO is what open() says of a socket. */
	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENXIO;
	if (status.st_size > CONFIG_MAX_FILE)
		return -EFBIG;
	*ret_fd = take_fd(&fd);
	return 0;
}

/**
 * read_text() - Read a whole file, whatever size it said it had: it may grow.
 * @ret_error: when NULL is returned: what is wrong, as open_regular() says it
 *
 * Return: the text, for the caller to free; it has no zero byte at its end.
 */
static char *read_text(const char *path, size_t *ret_length, int *ret_error)
{
	autofree char *text = NULL;
	autoclose int fd = -1;
	size_t length = 0;
	ssize_t n;

	*ret_error = open_regular(path, &fd);
	if (*ret_error < 0)
		return NULL;
	/* One more than may be; what is not read takes no memory. */
	text = malloc(CONFIG_MAX_FILE + 1);
	if (!text) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	while ((n = read(fd, text + length, CONFIG_MAX_FILE + 1 - length)) != 0) {
		if (n < 0 && errno != EINTR) {
			*ret_error = -errno;
			return NULL;
		}
		if (n > 0)
			length += (size_t)n;
		if (length > CONFIG_MAX_FILE) {
			*ret_error = -EFBIG;
			return NULL;
		}
	}
	*ret_length = length;
	return take_ptr(text);
}

bool config_text_file(const char *path, bool required, config_text_fn *take, void *context)
{
	struct config_text text = { .path = path, .required = required };
	autofree char *data = read_text(path, &text.length, &text.error);

	text.data = data;
	return take(context, &text);
}

static int is_dropin(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 && streq(entry->d_name + length - 5, ".conf");
}

static bool take_error(const char *path, int error, config_text_fn *take, void *context)
{
	const struct config_text text = { .path = path, .error = error };

	return take(context, &text);
}

static bool take_dropin(const char *directory, const char *name, config_text_fn *take,
			void *context)
{
	autofree char *path = NULL;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return take_error(directory, -ENOMEM, take, context);
	return config_text_file(path, true, take, context);
}

void config_text_dropins(const char *directory, config_text_fn *take, void *context)
{
	struct dirent **names;
	int n = scandir(directory, &names, is_dropin, alphasort);
	bool more = true;

	if (n < 0 || n > CONFIG_MAX_DROPINS)
		more = take_error(directory, n < 0 ? -errno : -E2BIG, take, context);
	for (int i = 0; i < n; i++) {
		more = more && take_dropin(directory, names[i]->d_name, take, context);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

void config_text_all(const char *file, config_text_fn *take, void *context)
{
	if (file)
		config_text_file(file, true, take, context);
	else if (config_text_file(CONFIG_SHIPPED, true, take, context) &&
		 config_text_file(CONFIG_MAIN, false, take, context))
		config_text_dropins(CONFIG_DROPINS, take, context);
}

/* In a copy before each text; the path, with a zero byte, and the text follow. */
struct record {
	int error;
	int required; /* a byte that is neither 0 nor 1 would be no bool */
	size_t path_size;
	size_t length;
};

/* Behind the last one. */
#define NO_PATH SIZE_MAX

struct copy {
	FILE *out;
	size_t n_bytes;
};

static bool write_record(void *context, const struct config_text *text)
{
	struct copy *copy = context;
	struct record record;

	memset(&record, 0, sizeof(record)); /* what lies between its fields, too */
	record.error = text->error;
	record.required = text->required;
	record.path_size = strlen(text->path) + 1;
	record.length = text->error ? 0 : text->length;
	fwrite(&record, sizeof(record), 1, copy->out);
	fwrite(text->path, record.path_size, 1, copy->out);
	if (record.length)
		fwrite(text->data, record.length, 1, copy->out);
	copy->n_bytes += record.length;
	/* Whoever takes it refuses more anyway. */
	return copy->n_bytes <= CONFIG_MAX_BYTES;
}

int config_text_copy(const char *file, int fd)
{
	static const struct record end = { .path_size = NO_PATH };
	struct copy copy = { .out = fdopen(fd, "w") };
	bool failed;

	if (!copy.out)
		return -errno;
	config_text_all(file, write_record, &copy);
	fwrite(&end, sizeof(end), 1, copy.out);
	failed = ferror(copy.out);
	if (fclose(copy.out) != 0 || failed)
		return errno ? -errno : -EIO;
	return 0;
}

/* Return: 1 and a text, 0 at the end, or -EBADMSG. */
static int next_record(const char **at, const char *end, struct config_text *ret_text)
{
	struct record record;
	size_t left = (size_t)(end - *at);

	if (left < sizeof(record))
		return -EBADMSG;
	memcpy(&record, *at, sizeof(record));
	*at += sizeof(record);
	left -= sizeof(record);
	if (record.path_size == NO_PATH)
		return 0;
	if (!record.path_size || record.path_size > left ||
	    record.length > left - record.path_size || (*at)[record.path_size - 1])
		return -EBADMSG;
	*ret_text = (struct config_text){
		.path = *at,
		.data = *at + record.path_size,
		.length = record.length,
		.error = record.error,
		.required = record.required != 0,
	};
	*at += record.path_size + record.length;
	return 1;
}

int config_text_paste(int fd, config_text_fn *take, void *context)
{
	struct config_text text;
	struct stat status;
	const char *at;
	size_t size;
	void *copy;
	int result;

	if (fstat(fd, &status) < 0)
		return -errno;
	size = (size_t)status.st_size;
	copy = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	if (copy == MAP_FAILED)
		return size ? -errno : -EBADMSG;
	at = copy;
	do
		result = next_record(&at, (const char *)copy + size, &text);
	while (result > 0 && take(context, &text));
	munmap(copy, size);
	return result < 0 ? result : 0;
}
