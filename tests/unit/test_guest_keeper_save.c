/* A guest that is saved and goes on, on a fake libvirt and a real event loop, worker thread, signals and files. */
#include "keeper_scenes.h"

static char disk_path[96], base_path[96];
static int disk_fd;

static int set_up(void **state)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1 };

	if (fixture_set_up(state))
		return -1;
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", run_directory);
	snprintf(base_path, sizeof(base_path), "%s/base", run_directory);
	config.stop.on_deadline = ON_DEADLINE_SAVE;
	config.stop.save_timeout = 60000;
	config.guest.disk = disk_path;
	config.guest.base = base_path;
	free(plan.storage.disk.links[0].path);
	plan.storage.disk.links[0].path = strdup(disk_path);
	/* QEMU's lock. */
	disk_fd = open(disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return disk_fd < 0 || fcntl(disk_fd, F_OFD_SETLK, &lock) ? -1 : state_init(&plan.state, disk_path);
}

static int tear_down(void **state)
{
	fake_libvirt_open_gate();
	if (keeper.config)
		keeper_clear(&keeper);
	keeper.config = NULL;
	close(disk_fd);
	unlink(disk_path);
	state_discard(&plan.state);
	return fixture_tear_down(state);
}

/* libvirtd has saved it; its events come when they come. */
static void saved(void)
{
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
}

/* Another container, which knows what is on the disk and nothing else. */
static void start_again(void)
{
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	begin();
}

static void save(void)
{
	boot();
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "button save"));
	saved();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_non_null(strstr(keeper.last_words, "was saved; the next start resumes it"));
	assert_true(state_pending(&plan.state));
}

static void a_guest_that_shuts_down_is_not_saved(void **state)
{
	(void)state;
	boot();
	send_signal(SIGTERM, 0);
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_null(strstr(fake_libvirt_calls(), "save"));
}

static void is_saved_at_the_deadline_and_goes_on(void **state)
{
	(void)state;
	save();
	assert_int_equal(keeper.stop.phase, STOP_SAVE);
	assert_null(strstr(fake_libvirt_calls(), "destroy"));
	start_again();
	UNTIL(strstr(fake_libvirt_calls(), "state")); /* what happened meanwhile? */
	assert_string_equal(fake_libvirt_calls(), "open define restore resume state");
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_true(keeper.ready && keeper.restored);
	assert_false(state_pending(&plan.state));
	assert_int_equal(state_size(&plan.state), 0);
}

/* It stands still when it is loaded, and nobody hears of that. */
static void events_of_the_loading_are_not_heard(void **state)
{
	(void)state;
	save();
	fake_libvirt_reset();
	keeper_clear(&keeper);
	unlink(boots_path);
	begin();
	UNTIL(keeper.life == LIFE_CREATING);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STARTED, 0);
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_RESTORED);
	UNTIL(keeper.life == LIFE_BOOTING || keeper.life == LIFE_RUNNING);
	UNTIL(!keeper.worker.busy);
	assert_true(keeper.life == LIFE_BOOTING || keeper.life == LIFE_RUNNING);
}

static void what_cannot_be_loaded_boots(void **state)
{
	(void)state;
	save();
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "restore";
	begin();
	UNTIL(keeper.life == LIFE_BOOTING);
	UNTIL(strstr(fake_libvirt_calls(), "open define restore create"));
	assert_false(keeper.restored || state_pending(&plan.state));
	assert_int_equal(state_size(&plan.state), 0);
}

/* Loaded, and cannot run: it is not left standing, and what it was loaded from is no more. */
static void what_cannot_run_boots(void **state)
{
	(void)state;
	save();
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "resume";
	begin();
	UNTIL(strstr(fake_libvirt_calls(), "open define restore resume destroy create"));
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_false(state_pending(&plan.state));
}

static void another_disk_boots(void **state)
{
	(void)state;
	save();
	assert_int_equal(write(disk_fd, "x", 1), 1);
	start_again();
	UNTIL(strstr(fake_libvirt_calls(), "create"));
	assert_null(strstr(fake_libvirt_calls(), "restore"));
	assert_false(state_pending(&plan.state));
}

static void a_stop_while_it_is_loaded_starts_nothing_else(void **state)
{
	(void)state;
	save();
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "restore";
	begin();
	UNTIL(keeper.wanted == VIRT_RESTORE || keeper.restoring);
	send_signal(SIGTERM, 0);
	UNTIL(keeper.ended || keeper.life == LIFE_STOP_RUNNING);
	/* Either the stop came first, or the guest was started and hears the button. */
	if (keeper.ended)
		assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

/* The one before died between loading it and letting it run. */
static void what_was_loaded_is_used_up_before_it_runs(void **state)
{
	(void)state;
	save();
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	fake.defined = true;
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_MIGRATION;
	begin();
	UNTIL(strstr(fake_libvirt_calls(), "open state resume"));
	UNTIL(!keeper.worker.busy);
	assert_false(state_pending(&plan.state));
	fake_libvirt_event(VIR_DOMAIN_EVENT_RESUMED, 0);
	UNTIL(keeper.life == LIFE_BOOTING);
}

static void a_failed_save_is_followed_by_a_destroy(void **state)
{
	(void)state;
	boot();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "save";
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "save destroy-graceful"));
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
	assert_false(state_pending(&plan.state));
}

/* libvirtd has its file, and the rest does not work: the guest is off, and lost. */
static void a_state_that_cannot_be_kept_is_none(void **state)
{
	(void)state;
	boot();
	fake.no_state = true;
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "save"));
	saved();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
	assert_false(state_pending(&plan.state));
}

static void a_replaced_disk_is_not_saved_to(void **state)
{
	(void)state;
	boot();
	unlink(disk_path);
	close(disk_fd);
	disk_fd = open(disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
	assert_null(strstr(fake_libvirt_calls(), "save"));
}

static void a_crashed_guest_is_not_saved(void **state)
{
	(void)state;
	boot();
	fake_libvirt_event(VIR_DOMAIN_EVENT_CRASHED, 0);
	UNTIL(keeper.evidence.panicked);
	send_signal(SIGTERM, 50);
	UNTIL(strstr(fake_libvirt_calls(), "destroy-graceful"));
	assert_null(strstr(fake_libvirt_calls(), "save"));
}

/* The call hangs: a signal to QEMU is what is left. */
static void a_save_that_hangs(bool impatient)
{
	pid_t pid = start_qemu(false);

	config.stop.save_timeout = impatient ? 60000 : 100;
	boot();
	fake.gated_call = "save";
	fake.gated = true;
	send_signal(SIGTERM, 50);
	UNTIL(keeper.evidence.saving);
	assert_string_equal(fake_libvirt_entered(), "save");
	if (impatient)
		send_signal(SIGQUIT, 0);
	UNTIL(keeper.evidence.destroyed);
	assert_int_equal(keeper.stop.phase, STOP_DESTROY_GRACEFUL);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

static void the_time_for_it_is_bounded(void **state)
{
	(void)state;
	a_save_that_hangs(false);
}

static void impatience_cuts_it_short(void **state)
{
	(void)state;
	a_save_that_hangs(true);
}

static void libvirtd_dies_in_the_middle(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	boot();
	fake.break_call = "save";
	fake.reachable = false;
	send_signal(SIGTERM, 50);
	UNTIL(keeper.evidence.destroyed);
	reap(pid, SIGTERM);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
	assert_false(state_pending(&plan.state));
}

/* It is told of the end of a guest that its predecessor had begun to save. */
static void an_end_without_a_state_is_no_save(void **state)
{
	autofclose FILE *file = fopen(plan.state.partial, "we");

	(void)state;
	assert_non_null(file);
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
	boots_save(boots_path, 71, 1);
	begin();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_DESTROYED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_shuts_down_is_not_saved),
		TEST(is_saved_at_the_deadline_and_goes_on),
		TEST(events_of_the_loading_are_not_heard),
		TEST(what_cannot_be_loaded_boots),
		TEST(what_cannot_run_boots),
		TEST(another_disk_boots),
		TEST(a_stop_while_it_is_loaded_starts_nothing_else),
		TEST(what_was_loaded_is_used_up_before_it_runs),
		TEST(a_failed_save_is_followed_by_a_destroy),
		TEST(a_state_that_cannot_be_kept_is_none),
		TEST(a_replaced_disk_is_not_saved_to),
		TEST(a_crashed_guest_is_not_saved),
		TEST(the_time_for_it_is_bounded),
		TEST(impatience_cuts_it_short),
		TEST(libvirtd_dies_in_the_middle),
		TEST(an_end_without_a_state_is_no_save),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
