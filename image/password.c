#include "image/password.h"

#include "lib/util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libxml/xmlstring.h>
#include <sys/stat.h>

/* Docker mounts its secrets here, for everybody in the container and for nobody else. */
#define SECRETS "/run/secrets/"
/* Windows takes so many characters. */
#define PASSWORD_MAX 127
/* A server's own policy. */
#define SERVER_LENGTH 6
#define SERVER_KINDS 3

static int refuse_password(const char *path, const char *why, struct failure *failure)
{
	return failure_set(failure, EXIT_CONFIG, -EINVAL, "%s ([guest] password-file): %s", path,
			   why);
}

/** open_file() - Return: a descriptor, or -errno. */
static int open_file(const char *path, struct failure *failure)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return failure_set(
			failure, EXIT_CONFIG, -errno,
			"%s ([guest] password-file) cannot be opened: %s; Windows is installed "
			"with "
			"the password in it: mount it (-v /path/password:%s:ro), or give the "
			"container a secret of that name",
			path, strerror(errno), path);
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
		close(fd);
		return refuse_password(path, "is no file", failure);
	}
	if (status.st_mode & S_IROTH && strncmp(path, SECRETS, strlen(SECRETS)) != 0) {
		close(fd);
		return refuse_password(
			path,
			"everybody may read it: take that away (chmod o-r), or put it below "
			"/run/secrets",
			failure);
	}
	return fd;
}

/** is_complex() - Does a server take it? */
static bool is_complex(const char *password)
{
	bool kinds[4] = { false };

	for (const char *at = password; *at; at++) {
		unsigned char c = (unsigned char)*at;

		kinds[isupper(c) ? 0 : islower(c) ? 1 : isdigit(c) ? 2 : 3] = true;
	}
	return xmlUTF8Strlen((const xmlChar *)password) >= SERVER_LENGTH &&
	       kinds[0] + kinds[1] + kinds[2] + kinds[3] >= SERVER_KINDS;
}

static int check(const struct guest_config *config, const char *password, struct failure *failure)
{
	const char *path = config->password_file;

	if (!*password)
		return refuse_password(path, "is empty: RDP lets nobody in without a password",
				       failure);
	if (!xmlCheckUTF8((const xmlChar *)password))
		return refuse_password(path, "is not valid UTF-8", failure);
	if (xmlUTF8Strlen((const xmlChar *)password) > PASSWORD_MAX)
		return refuse_password(path, "is longer than Windows' 127 characters", failure);
	for (const char *at = password; *at; at++) {
		if (iscntrl((unsigned char)*at))
			return refuse_password(
				path, "is more than one line, or has a control character", failure);
	}
	if (config->windows >= WINDOWS_2019 &&
	    (!is_complex(password) || strcasestr(password, config->user)))
		return refuse_password(
			path,
			"a server takes no password that is so simple: six characters or "
			"more, three kinds of upper case, lower case, digits and others, and "
			"the user's name not in it",
			failure);
	return 0;
}

int password_read(const struct guest_config *config, char **ret_password, struct failure *failure)
{
	/* The longest one, each character of four bytes, and a line's end; one more tells. */
	size_t size = PASSWORD_MAX * 4 + 3, length;
	autofree char *text = calloc(1, size + 1);
	autoclose int fd = open_file(config->password_file, failure);
	ssize_t n;
	int result;

	if (fd < 0)
		return fd;
	n = text ? read(fd, text, size) : -1;
	if (n < 0)
		return failure_set(failure, EXIT_CONFIG, -errno,
				   "%s ([guest] password-file) cannot be read: %s",
				   config->password_file, strerror(errno));
	length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	if (length > 0 && text[length - 1] == '\r')
		text[--length] = '\0';
	result = (size_t)n == size || length + 2 < (size_t)n
			 ? refuse_password(config->password_file,
					   "is no password: it is too long, or has a "
					   "zero byte",
					   failure)
			 : check(config, text, failure);
	if (result)
		explicit_bzero(text, size);
	else
		*ret_password = take_ptr(text);
	return result;
}
