/* The file beside the disk: three lines, of which older ones have two or one, and that of a clone. */
#include "init/guest/identity.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#define UUID "1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b01"
#define GENERATION "1D1C8F5E-7c63-4c2c-9d2e-5d5a0f0f6b02"

static char directory[64], path[96];
static struct identity identity;
static struct failure failure;

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-identity.XXXXXX");
	failure = (struct failure){ .code = 0 };
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/windows.qcow2.uuid", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory); /* nothing else is in it */
}

static void put(const char *text)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static int load(void)
{
	identity = (struct identity){ .uuid = "" };
	return identity_load(path, IMAGE_QCOW2, &identity, &failure);
}

static void a_new_one_is_kept(void **state)
{
	struct identity first;

	(void)state;
	assert_int_equal(load(), 0);
	assert_int_equal(strlen(identity.uuid), 36);
	assert_int_equal(strlen(identity.generation), 36);
	assert_string_not_equal(identity.uuid, identity.generation);
	first = identity;
	assert_int_equal(load(), 0);
	assert_string_equal(identity.uuid, first.uuid);
	assert_string_equal(identity.generation, first.generation);
}

static void all_three_lines_count(void **state)
{
	(void)state;
	put(UUID "\nqcow2\n" GENERATION "\n");
	assert_int_equal(load(), 0);
	assert_string_equal(identity.uuid, UUID);
	assert_string_equal(identity.generation, GENERATION);
	put(UUID "\n\n" GENERATION); /* somebody has replaced the disk, and removed what the second one says */
	assert_int_equal(load(), 0);
	assert_string_equal(identity.generation, GENERATION);
}

/* As an older casement wrote it, or somebody's hands. */
static void without_a_third_line_the_uuid_is_the_generation(void **state)
{
	static const char *const texts[] = { UUID "\nqcow2\n", UUID "\nqcow2", UUID "\n", UUID };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(texts[i]);
		assert_int_equal(load(), 0);
		assert_string_equal(identity.uuid, UUID);
		assert_string_equal(identity.generation, UUID);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const char *const texts[] = { UUID "\nqcow2\nno generation\n", UUID "\nqcow2\n" UUID "0\n", UUID "\nvhd\n" UUID "\n",
					     "no uuid\nqcow2\n" UUID "\n", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(texts[i]);
		assert_int_equal(load(), -EBADMSG);
		assert_non_null(strstr(failure.text, "does not hold a UUID and a format"));
	}
}

static void a_clone_is_the_same_machine_of_another_generation(void **state)
{
	char generation[IDENTITY_UUID_SIZE];

	(void)state;
	assert_int_equal(identity_clone(path, UUID, &failure), 0);
	assert_int_equal(load(), 0);
	assert_string_equal(identity.uuid, UUID);
	assert_string_not_equal(identity.generation, UUID);
	memcpy(generation, identity.generation, sizeof(generation));
	/* There is one already: it is not replaced. */
	assert_int_equal(identity_clone(path, GENERATION, &failure), -EEXIST);
	assert_int_equal(load(), 0);
	assert_string_equal(identity.uuid, UUID);
	assert_string_equal(identity.generation, generation);
	/* Another clone is of another one. */
	unlink(path);
	assert_int_equal(identity_clone(path, UUID, &failure), 0);
	assert_int_equal(load(), 0);
	assert_string_not_equal(identity.generation, generation);
	/* Its disk is a qcow2, and nothing else. */
	assert_int_equal(identity_load(path, IMAGE_RAW, &identity, &failure), -EINVAL);
}

static void no_room_for_a_clone_is_named(void **state)
{
	(void)state;
	assert_int_equal(identity_clone("/nowhere/windows.qcow2.uuid", UUID, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "/nowhere/windows.qcow2.uuid"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_one_is_kept),
		TEST(all_three_lines_count),
		TEST(without_a_third_line_the_uuid_is_the_generation),
		TEST(what_is_none_is_refused),
		TEST(a_clone_is_the_same_machine_of_another_generation),
		TEST(no_room_for_a_clone_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
