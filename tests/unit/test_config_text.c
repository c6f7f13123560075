/* A copy of the configuration's texts says what the file system said, and half a one is refused. */
#include "lib/config.h"
#include "lib/config_text.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

/* What was taken, as text. */
struct taken {
	char text[1024];
	size_t length;
	unsigned enough; /* after so many */
};

static bool take(void *context, const struct config_text *text)
{
	struct taken *taken = context;

	taken->length += (size_t)snprintf(taken->text + taken->length,
					  sizeof(taken->text) - taken->length, "%s %s%s \"%.*s\"; ",
					  text->path, text->required ? "required" : "optional",
					  text->error ? strerrorname_np(-text->error) : "",
					  text->error ? 0 : (int)text->length,
					  text->error ? "" : text->data);
	return --taken->enough != 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int open_copy(void)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* config_text_copy() closes what it writes to. */
static void copy_to(int fd, const char *file)
{
	assert_int_equal(config_text_copy(file, dup(fd)), 0);
}

static int enter_directory(void **state)
{
	static char directory[] = "/tmp/casement-test.XXXXXX";

	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	*state = directory;
	return 0;
}

static int leave_directory(void **state)
{
	unlink("c");
	return chdir("/") < 0 || rmdir(*state) < 0 ? -1 : 0;
}

static void test_round_trip(void **state)
{
	static const struct {
		const char *text;
		const char *taken;
	} cases[] = {
		{ "[guest]\nname = a\n", "c required \"[guest]\nname = a\n\"; " },
		{ "", "c required \"\"; " },
		{ NULL, "c requiredENOENT \"\"; " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoclose int fd = open_copy();
		struct taken taken = { 0 };

		unlink("c");
		if (cases[i].text)
			write_file("c", cases[i].text);
		copy_to(fd, "c");
		assert_int_equal(config_text_paste(fd, take, &taken), 0);
		assert_string_equal(taken.text, cases[i].taken);
	}
}

/* The usual places: most machines have none of them, which is said as well. */
static void test_usual_places(void **state)
{
	autoclose int fd = open_copy();
	struct taken read = { 0 }, pasted = { 0 }, first = { .enough = 1 };

	(void)state;
	copy_to(fd, NULL);
	config_text_all(NULL, take, &read);
	assert_int_equal(config_text_paste(fd, take, &pasted), 0);
	assert_string_equal(pasted.text, read.text);
	assert_true(strstr(read.text, CONFIG_SHIPPED " required") == read.text);
	/* Whoever has enough hears no more. */
	assert_int_equal(config_text_paste(fd, take, &first), 0);
	assert_null(strstr(first.text, CONFIG_MAIN));
}

/* Cut off anywhere, and with any byte of its first header changed: an error or a text, no more. */
static void test_no_copy(void **state)
{
	autoclose int fd = open_copy();
	struct stat status;
	struct taken taken;

	(void)state;
	write_file("c", "[guest]\n");
	copy_to(fd, "c");
	assert_int_equal(fstat(fd, &status), 0);
	for (off_t i = 0; i < 24; i++) {
		char byte, changed;

		assert_int_equal(pread(fd, &byte, 1, i), 1);
		changed = (char)(byte ^ 0x55);
		assert_int_equal(pwrite(fd, &changed, 1, i), 1);
		taken = (struct taken){ .enough = 1 };
		config_text_paste(fd, take, &taken);
		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
	}
	while (status.st_size--) {
		assert_int_equal(ftruncate(fd, status.st_size), 0);
		taken = (struct taken){ 0 };
		assert_int_equal(config_text_paste(fd, take, &taken), -EBADMSG);
	}
	assert_int_equal(config_text_paste(-1, take, &taken), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_usual_places),
		cmocka_unit_test(test_no_copy),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
