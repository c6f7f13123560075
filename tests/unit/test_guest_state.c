/* A saved state as files on a real file system: when there is one, what it goes with, and that it is used once. */
#include "init/guest/state.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char directory[64], disk_path[96], base_path[96];
static struct state state;
static struct disk disk;
static struct state_facts facts;
static char reason[512];

static void put(const char *path, const char *text)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static int set_up(void **unused)
{
	(void)unused;
	strcpy(directory, "/tmp/casement-state.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", directory);
	snprintf(base_path, sizeof(base_path), "%s/base.qcow2", directory);
	put(disk_path, "disk");
	put(base_path, "base");
	disk = (struct disk){ .n = 2 };
	disk.links[0].path = disk_path;
	disk.links[1].path = base_path;
	facts = (struct state_facts){ .disk = &disk, .definition = 42, .address.s_addr = 0x4479a8c0 };
	return state_init(&state, disk_path);
}

static int tear_down(void **unused)
{
	(void)unused;
	state_discard(&state);
	state_clear(&state);
	unlink(disk_path);
	unlink(base_path);
	return rmdir(directory); /* nothing else is in it */
}

static void save(void)
{
	put(state.partial, "memory");
	assert_int_equal(state_commit(&state, &facts, sizeof(reason), reason), 0);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void expect_refusal(const char *words)
{
	reason[0] = '\0';
	assert_true(state_claim(&state, &facts, sizeof(reason), reason) < 0);
	if (!strstr(reason, words))
		fail_msg("\"%s\" instead of \"%s\"", reason, words);
}

static void is_there_once_it_is_whole(void **unused)
{
	(void)unused;
	assert_false(state_pending(&state));
	assert_int_equal(state_size(&state), 0);
	put(state.partial, "memory");
	assert_false(state_pending(&state));
	assert_int_equal(rename(state.partial, state.image), 0);
	assert_false(state_pending(&state)); /* no manifest, no state */
	expect_refusal("cannot be read");
	save();
	assert_true(state_pending(&state));
	assert_false(exists(state.partial));
	assert_int_equal(state_size(&state), 6);
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
}

static void is_used_once(void **unused)
{
	(void)unused;
	save();
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
	assert_int_equal(state_consume(&state), 0);
	assert_false(state_pending(&state));
	expect_refusal("cannot be read");
	assert_int_equal(state_consume(&state), 0); /* nothing to do */
	assert_int_equal(state_discard(&state), 0);
	assert_false(exists(state.image) || exists(state.tries));
}

static void fails_without_a_trace(void **unused)
{
	(void)unused;
	/* libvirtd said that it is saved, and there is no file. */
	assert_true(state_commit(&state, &facts, sizeof(reason), reason) < 0);
	assert_non_null(strstr(reason, "cannot be completed"));
	put(state.partial, "memory");
	disk.links[1].path = (char[]){ "/nowhere" };
	assert_true(state_commit(&state, &facts, sizeof(reason), reason) < 0);
	assert_false(state_pending(&state) || exists(state.image) || exists(state.partial));
}

static void goes_with_what_it_was_saved_with(void **unused)
{
	struct stat status;

	(void)unused;
	save();
	facts.definition++;
	expect_refusal("configuration");
	facts.definition--;
	facts.kvm = true;
	expect_refusal("processor");
	facts.kvm = false;
	facts.address.s_addr++;
	expect_refusal("address");
	facts.address.s_addr--;
	disk.n = 1;
	expect_refusal("file is not as it was"); /* the line of the base is where that of the state should be */
	disk.n = 2;
	/* As long as before, and written at another time. */
	assert_int_equal(stat(base_path, &status), 0);
	assert_int_equal(utimensat(AT_FDCWD, base_path, (struct timespec[]){ { 1, 0 }, { 1, 0 } }, 0), 0);
	expect_refusal("disk was changed");
	assert_int_equal(utimensat(AT_FDCWD, base_path, (struct timespec[]){ status.st_atim, status.st_mtim }, 0), 0);
	put(disk_path, "another disk");
	expect_refusal("disk was changed");
}

static void goes_with_the_state_that_was_written(void **unused)
{
	(void)unused;
	save();
	put(state.image, "mem");
	expect_refusal("its file is not as it was written");
	unlink(state.image);
	expect_refusal("cannot be read");
	state_discard(&state);
	save();
	unlink(state.manifest);
	put(state.manifest, "casement-state 2\n");
	expect_refusal("another casement");
}

static void is_not_tried_for_ever(void **unused)
{
	(void)unused;
	save();
	for (int i = 0; i < 3; i++)
		assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
	expect_refusal("3 attempts");
	/* A new one has its own. */
	state_discard(&state);
	save();
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
}

/* Another descriptor has it open, as QEMU does. */
static void the_disk_is_the_one_that_qemu_has_open(void **unused)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1 };
	autoclose int fd = open(disk_path, O_RDWR | O_CLOEXEC);

	(void)unused;
	assert_int_equal(state_goes_with(&disk, sizeof(reason), reason), -ESTALE);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(state_goes_with(&disk, sizeof(reason), reason), 0);
	unlink(disk_path);
	put(disk_path, "disk");
	assert_int_equal(state_goes_with(&disk, sizeof(reason), reason), -ESTALE);
	assert_non_null(strstr(reason, "is not the file that QEMU has open"));
	disk.links[0].block = true;
	assert_int_equal(state_goes_with(&disk, sizeof(reason), reason), -ENOTSUP);
}

static void without_a_name_there_is_none(void **unused)
{
	const struct state none = { .image = NULL };

	(void)unused;
	assert_false(state_pending(&none));
	assert_int_equal(state_size(&none), 0);
	assert_int_equal(state_consume(&none), 0);
	assert_int_equal(state_discard(&none), 0);
}

/* The state of a frozen guest stays where it is, and is nobody's to remove. */
static void a_frozen_one_is_adopted(void **unused)
{
	char frozen[96], image[128];
	autofree char *found = NULL;

	(void)unused;
	assert_null(state_frozen(&state));
	save();
	assert_null(state_frozen(&state)); /* it is of this guest alone */
	snprintf(frozen, sizeof(frozen), "%s/frozen-1", directory);
	snprintf(image, sizeof(image), "%s/state", frozen);
	assert_int_equal(mkdir(frozen, 0755), 0);
	put(image, "memory of another");
	assert_int_equal(state_adopt(&state, frozen, disk_path, disk_path), 0); /* what there was is gone */
	assert_true(state_pending(&state) && state_loaded(&state));
	assert_int_equal(state_size(&state), 17);
	found = state_frozen(&state);
	assert_string_equal(found, frozen);
	/* All but the disk is for frozen_fits(), which knows more. */
	facts.definition++;
	facts.kvm = true;
	facts.address.s_addr++;
	put(base_path, "another base"); /* base_check()'s */
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
	put(disk_path, "another disk");
	expect_refusal("disk was changed");
	/* Used once, as any other. */
	assert_int_equal(state_adopt(&state, frozen, disk_path, disk_path), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
	expect_refusal("3 attempts");
	assert_int_equal(state_consume(&state), 0);
	assert_null(state_frozen(&state));
	assert_int_equal(state_discard(&state), 0);
	assert_false(exists(state.image) || exists(state.tries));
	assert_true(exists(image));
	unlink(image);
	assert_int_equal(rmdir(frozen), 0);
}

/* That of a freeze that is not complete: this guest's, and elsewhere. */
static void one_that_is_elsewhere_is_kept(void **unused)
{
	char elsewhere[96];

	(void)unused;
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", directory);
	assert_int_equal(state_keep(&state, elsewhere, &facts), -ENOENT);
	assert_false(state_pending(&state));
	put(elsewhere, "memory");
	assert_int_equal(state_keep(&state, elsewhere, &facts), 0);
	assert_true(state_pending(&state));
	assert_null(state_frozen(&state));
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), 0);
	put(elsewhere, "another memory");
	assert_int_equal(state_claim(&state, &facts, sizeof(reason), reason), -ESTALE);
	assert_string_equal(reason, "its file is not as it was written");
	assert_int_equal(state_discard(&state), 0);
	assert_true(exists(elsewhere) && !state_loaded(&state));
	unlink(elsewhere);
}

static void a_frozen_one_without_its_disk_is_not_adopted(void **unused)
{
	(void)unused;
	unlink(disk_path);
	assert_int_equal(state_adopt(&state, "/images/frozen-1", disk_path, disk_path), -ENOENT);
	assert_false(state_pending(&state));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_there_once_it_is_whole),
		TEST(is_used_once),
		TEST(fails_without_a_trace),
		TEST(goes_with_what_it_was_saved_with),
		TEST(goes_with_the_state_that_was_written),
		TEST(is_not_tried_for_ever),
		TEST(the_disk_is_the_one_that_qemu_has_open),
		TEST(without_a_name_there_is_none),
		TEST(a_frozen_one_is_adopted),
		TEST(a_frozen_one_without_its_disk_is_not_adopted),
		TEST(one_that_is_elsewhere_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
