#include "config_fixture.h"

#include "lib/util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

extern char **environ;

int enter(void **state)
{
	static char *nothing[] = { NULL };
	const char *format = getenv("CMOCKA_MESSAGE_OUTPUT"); /* scripts/test counts its lines */
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	strcpy(place->directory, "/tmp/casement-test.XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	assert_int_equal(chdir(place->directory), 0);
	assert_int_equal(mkdir("conf.d", 0755), 0);
	environ = nothing;
	if (format)
		setenv("CMOCKA_MESSAGE_OUTPUT", format, 1);
	*state = place;
	return 0;
}

int leave(void **state)
{
	struct place *place = *state;
	char command[64];

	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "/bin/rm -r %s", place->directory);
	assert_int_equal(system(command), 0);
	free(place);
	return 0;
}

void hear(void *context, const char *message)
{
	struct place *place = context;
	size_t length = strlen(place->said);

	assert_true(length + strlen(message) + 2 < sizeof(place->said));
	sprintf(place->said + length, "%s\n", message);
}

void write_bytes(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

void write_file(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

struct config *load(struct place *place, const char *text)
{
	struct config *config = NULL;

	write_file("c", text);
	place->said[0] = '\0';
	assert_int_equal(config_load("c", hear, place, &config), 0);
	assert_string_equal(place->said, "");
	assert_non_null(config);
	return config;
}

void refuse_loaded(struct place *place, const char *expected)
{
	struct config sentinel, *config = &sentinel;

	place->said[0] = '\0';
	assert_int_equal(config_load("c", hear, place, &config), -EINVAL);
	assert_string_equal(place->said, expected);
	assert_ptr_equal(config, &sentinel);
}

void refuse(struct place *place, const char *text, const char *expected)
{
	write_file("c", text);
	refuse_loaded(place, expected);
}
