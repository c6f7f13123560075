/*
 * A disk that is made from a frozen guest, on a real file system: what a clone gets, what it does not share, and when none is
 * made.
 */
#include "init/guest/frozen.h"
#include "init/guest/state.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define UUID "1d1c8f5e-7c63-4c2c-9d2e-5d5a0f0f6b01"

static char directory[64], volume[96], disk_path[128], base_path[128];
static struct guest_config config = { .name = (char[]){ "windows" }, .disk = disk_path, .base = base_path };
static struct storage storage;
static struct frozen frozen;
static struct failure failure;

PRINTF_LIKE(1, 2) static void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

static void put(const char *path, const char *text)
{
	autofclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static const char *get(const char *path)
{
	static char text[256];
	autofclose FILE *file = fopen(path, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return text;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* In the clone's volume. */
static const char *in_volume(const char *name)
{
	static char paths[4][160];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, 160, "%s/%s", volume, name);
	return path;
}

/* A guest with UEFI variables and a TPM was frozen beside the base; the volume is empty. */
static void freeze(void)
{
	char master[96], nvram[128], tpm[128], reason[512];
	struct storage frozen_storage = { .nvram = nvram, .tpm = tpm, .identity.uuid = UUID };
	struct frozen_facts facts = { .processor = "any" };

	snprintf(master, sizeof(master), "%s/master", directory);
	snprintf(nvram, sizeof(nvram), "%s/VARS", directory);
	snprintf(tpm, sizeof(tpm), "%s/TPM", directory);
	run("mkdir %s && echo keys >%s/keys", tpm, tpm);
	put(nvram, "variables\n");
	run("qemu-img create -q -f qcow2 %s 64M", base_path);
	run("qemu-img create -q -f qcow2 -F qcow2 -b %s %s", base_path, master);
	frozen_storage.disk.n = 2;
	frozen_storage.disk.links[0] = (struct disk_link){ .path = master, .format = IMAGE_QCOW2 };
	frozen_storage.disk.links[1] = (struct disk_link){ .path = base_path, .format = IMAGE_QCOW2 };
	assert_int_equal(frozen_begin(base_path, &frozen, sizeof(reason), reason), 0);
	put(frozen.state, "memory");
	assert_int_equal(frozen_seal(&frozen, base_path, &frozen_storage, &facts, sizeof(reason), reason), 0);
	assert_int_equal(frozen_publish(&frozen, base_path, sizeof(reason), reason), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/casement-clone.XXXXXX");
	if (!mkdtemp(directory) || chmod(directory, 0755))
		return -1;
	snprintf(volume, sizeof(volume), "%s/storage", directory);
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", volume);
	snprintf(base_path, sizeof(base_path), "%s/base.qcow2", directory);
	failure = (struct failure){ .code = 0 };
	if (mkdir(volume, 0755))
		return -1;
	freeze();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	storage_clear(&storage);
	frozen_clear(&frozen);
	run("rm -rf %s", directory);
	return 0;
}

static int prepare(void)
{
	storage_clear(&storage);
	return storage_prepare(&config, &storage, &failure);
}

static void expect_refusal(const char *part)
{
	assert_true(prepare() < 0);
	assert_int_equal(failure.code, EXIT_CONFIG);
	if (!strstr(failure.text, part))
		fail_msg("expected \"%s\", got \"%s\"", part, failure.text);
	assert_false(exists(disk_path));
}

/** goes_on() - Has the disk, as it is, the state of the guest that was frozen to go on from? */
static bool goes_on(void)
{
	struct state_facts facts = { .disk = &storage.disk };
	autofree char *from = NULL;
	char reason[512];
	struct state state;
	bool result;

	assert_int_equal(state_init(&state, disk_path), 0);
	from = state_frozen(&state);
	result = from && streq(from, frozen.directory) && state_claim(&state, &facts, sizeof(reason), reason) == 0;
	state_clear(&state);
	return result;
}

static void a_clone_has_its_own_of_everything(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(prepare(), 0);
	assert_true(goes_on());
	assert_int_equal(storage.disk.n, 3);
	assert_string_equal(storage.disk.links[1].path, frozen.disk);
	assert_string_equal(storage.disk.links[2].path, base_path);
	assert_string_equal(storage.identity.uuid, UUID);
	assert_string_not_equal(storage.identity.generation, UUID);
	assert_string_equal(get(in_volume("windows_VARS.fd")), "variables\n");
	assert_string_equal(get(in_volume("windows.tpm/keys")), "keys\n");
	assert_true(exists(in_volume("windows.qcow2.base")));
	/* Before its guest writes. */
	assert_int_equal(stat(disk_path, &status), 0);
	assert_true(status.st_blocks * 512 < 1 << 20);
}

static void it_is_one_only_once(void **state)
{
	char generation[IDENTITY_UUID_SIZE];

	(void)state;
	assert_int_equal(prepare(), 0);
	memcpy(generation, storage.identity.generation, sizeof(generation));
	put(in_volume("windows_VARS.fd"), "its own\n");
	unlink(in_volume("windows.qcow2.state.manifest")); /* it has run */
	assert_int_equal(prepare(), 0);
	assert_false(goes_on());
	assert_string_equal(storage.identity.generation, generation);
	assert_string_equal(get(in_volume("windows_VARS.fd")), "its own\n");
}

/* The disk comes last, so a start that was cut off begins anew; and a guest before this one was another machine. */
static void what_was_left_is_renamed(void **state)
{
	(void)state;
	put(in_volume("windows.qcow2.uuid"), "65b0d659-cb0d-4bfa-b051-63da0018c75e\nqcow2\n");
	put(in_volume("windows_VARS.fd"), "another guest's\n");
	run("mkdir %s", in_volume("windows.tpm"));
	assert_int_equal(prepare(), 0);
	assert_string_equal(storage.identity.uuid, UUID);
	assert_string_equal(get(in_volume("windows_VARS.fd.old")), "another guest's\n");
	assert_string_equal(get(in_volume("windows.qcow2.uuid.old")), "65b0d659-cb0d-4bfa-b051-63da0018c75e\nqcow2\n");
	assert_string_equal(get(in_volume("windows.tpm/keys")), "keys\n");
	unlink(disk_path);
	assert_int_equal(prepare(), 0);
	assert_string_equal(storage.identity.uuid, UUID);
	assert_true(goes_on());
}

/* The container was killed when all was made, and before anything else was done: the next start makes nothing. */
static void killed_with_its_disk_it_goes_on(void **state)
{
	(void)state;
	assert_int_equal(prepare(), 0);
	assert_int_equal(prepare(), 0);
	assert_true(goes_on());
}

static void no_clone_of_another_disk(void **state)
{
	(void)state;
	run("qemu-img resize -q %s 128M", frozen.disk);
	expect_refusal("is not the disk that was frozen");
	assert_false(exists(in_volume("windows.qcow2.uuid")) || exists(in_volume("windows_VARS.fd")));
	unlink(frozen.disk);
	expect_refusal("does not exist: freeze again");
}

static void half_an_image_is_named(void **state)
{
	(void)state;
	run("mv %s %s.gone", frozen.directory, frozen.directory);
	expect_refusal("leads nowhere");
	run("mv %s.gone %s", frozen.directory, frozen.directory);
	unlink(frozen.manifest);
	expect_refusal("cannot be used");
}

/* What is there wins, and so does the word of who removes the link. */
static void without_the_link_it_is_the_base(void **state)
{
	char link_path[160];

	(void)state;
	snprintf(link_path, sizeof(link_path), "%s.frozen", base_path);
	unlink(link_path);
	assert_int_equal(prepare(), 0);
	assert_false(goes_on());
	assert_int_equal(storage.disk.n, 2);
	assert_string_not_equal(storage.identity.uuid, UUID);
}

static void a_look_makes_nothing(void **state)
{
	(void)state;
	storage_clear(&storage);
	assert_int_equal(storage_imagine(&config, &storage, &failure), 0);
	assert_int_equal(storage.disk.n, 3);
	assert_string_equal(storage.disk.links[1].path, frozen.disk);
	assert_int_equal(rmdir(volume), 0);
	assert_int_equal(mkdir(volume, 0755), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clone_has_its_own_of_everything),
		TEST(it_is_one_only_once),
		TEST(what_was_left_is_renamed),
		TEST(killed_with_its_disk_it_goes_on),
		TEST(no_clone_of_another_disk),
		TEST(half_an_image_is_named),
		TEST(without_the_link_it_is_the_base),
		TEST(a_look_makes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
