/*
 * A guest that is frozen, on a fake libvirt and a real event loop, worker thread, signals and files: when it may be, what
 * becomes of it when something fails, and that the container that was frozen goes on.
 */
#include "keeper_scenes.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char disk_path[96], base_path[128], link_path[160], frozen_path[160];
static int disk_fd, notify_fd;

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* What PID 1 would hear. */
static int listen_to_reports(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];

	snprintf(name, sizeof(name), "@casement-freeze-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(notify_fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

/** heard() - Everything since the last time. */
static const char *heard(void)
{
	static char text[16384];
	size_t used = 0;
	ssize_t n;

	while ((n = recv(notify_fd, text + used, sizeof(text) - 1 - used, 0)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return text;
}

static int set_up(void **state)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1 };
	char command[512];

	if (fixture_set_up(state))
		return -1;
	snprintf(disk_path, sizeof(disk_path), "%s/windows.qcow2", run_directory);
	snprintf(base_path, sizeof(base_path), "%s/images/windows.qcow2", run_directory);
	snprintf(link_path, sizeof(link_path), "%s.frozen", base_path);
	snprintf(frozen_path, sizeof(frozen_path), "%s.frozen-1", base_path);
	snprintf(command, sizeof(command),
		 "mkdir %s/images && qemu-img create -q -f qcow2 %s 1M && qemu-img create -q -f qcow2 -b %s -F qcow2 %s",
		 run_directory, base_path, base_path, disk_path);
	run(command);
	fake.disk = disk_path;
	config.guest.disk = disk_path;
	config.guest.base = base_path;
	plan.size.memory = 64;
	plan.storage.nvram = strdup("/nowhere/VARS");
	plan.storage.tpm = strdup("/nowhere/TPM");
	plan.storage.disk.n = 2;
	free(plan.storage.disk.links[0].path);
	plan.storage.disk.links[0] = (struct disk_link){ .path = strdup(disk_path), .format = IMAGE_QCOW2 };
	plan.storage.disk.links[1] = (struct disk_link){ .path = strdup(base_path), .format = IMAGE_QCOW2 };
	/* QEMU's lock. */
	disk_fd = open(disk_path, O_RDWR | O_CLOEXEC);
	if (disk_fd < 0 || fcntl(disk_fd, F_OFD_SETLK, &lock) || listen_to_reports())
		return -1;
	return state_init(&plan.state, disk_path);
}

static int tear_down(void **state)
{
	char command[256];

	fake_libvirt_open_gate();
	if (keeper.config)
		keeper_clear(&keeper);
	keeper.config = NULL;
	close(disk_fd);
	close(notify_fd);
	unsetenv("NOTIFY_SOCKET");
	state_discard(&plan.state);
	snprintf(command, sizeof(command), "rm -r %s/images; rm -f %s", run_directory, disk_path);
	run(command);
	return fixture_tear_down(state);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* No port answers in this test. */
static void be_ready(void)
{
	boot();
	keeper.health.state = RDP_ANSWERING;
	heard();
}

static void expect_refusal(const char *words)
{
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED);
	if (!strstr(keeper.freeze_reason, words))
		fail_msg("\"%s\" instead of \"%s\"", keeper.freeze_reason, words);
	assert_null(strstr(fake_libvirt_calls(), "save"));
	assert_false(keeper.ended);
	keeper.freeze = FREEZE_NONE;
}

static void a_guest_that_is_not_ready_is_not_frozen(void **state)
{
	(void)state;
	begin();
	expect_refusal("it is not ready");
	UNTIL(keeper.life == LIFE_CREATING || keeper.life == LIFE_BOOTING);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STARTED, 0);
	UNTIL(keeper.life == LIFE_BOOTING && !keeper.worker.busy);
	expect_refusal("it is not ready");
	fake_libvirt_agent_event(true);
	UNTIL(keeper.life == LIFE_RUNNING);
	keeper.health.state = RDP_OPEN;
	expect_refusal("it is not ready");
	keeper.health.state = RDP_CLOSED;
	expect_refusal("it is not ready");
}

static void what_cannot_be_shared_is_not_frozen(void **state)
{
	(void)state;
	be_ready();
	config.devices[0] = (struct device_config){ .as = DEVICE_CDROM };
	config.devices[1] = (struct device_config){ .as = DEVICE_DISK };
	config.n_devices = 2;
	expect_refusal("writes to more disks than its own");
	config.n_devices = 0;
	plan.verbatim = strdup("<domain/>");
	expect_refusal("its domain is one of your own");
	free(plan.verbatim);
	plan.verbatim = NULL;
	plan.storage.n_drives = 1; /* of no section: the container has installed it */
	plan.storage.drives[0].readonly = true;
	expect_refusal("it has the CDs of its installation still");
	plan.storage.n_drives = 0;
}

static void without_libvirtd_it_is_not_frozen(void **state)
{
	(void)state;
	be_ready();
	fake.reachable = false;
	fake_libvirt_hang_up();
	UNTIL(!keeper.linked);
	expect_refusal("libvirtd is busy");
}

static void a_guest_that_is_being_stopped_is_not_frozen(void **state)
{
	(void)state;
	be_ready();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	expect_refusal("it is being stopped");
}

/* The memory would be of one disk and the copy of another. */
static void a_replaced_disk_is_not_frozen(void **state)
{
	(void)state;
	be_ready();
	unlink(disk_path);
	close(disk_fd);
	disk_fd = open(disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	expect_refusal("is not the file that QEMU has open");
}

/* PID 1 takes it for running as soon as it has asked. */
static void the_same_refusal_is_said_again(void **state)
{
	(void)state;
	be_ready();
	plan.verbatim = strdup("<domain/>");
	for (int i = 0; i < 2; i++) {
		int64_t deadline = now_ms() + 20000;
		bool said = false;

		send_signal(SIGUSR2, 0);
		while (!said && now_ms() < deadline) {
			const char *text;

			virEventRunDefaultImpl();
			text = heard();
			said = strstr(text, "X_CASEMENT_FREEZE=failed\n") &&
			       strstr(text, "X_CASEMENT_FREEZE_REASON=its domain is one of your own");
		}
		assert_true(said);
	}
	free(plan.verbatim);
	plan.verbatim = NULL;
}

static void is_frozen_and_that_is_the_end(void **state)
{
	const char *text;

	(void)state;
	be_ready();
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_non_null(strstr(keeper.last_words, frozen_path));
	assert_non_null(strstr(fake_libvirt_calls(), "fsfreeze save-running"));
	assert_null(strstr(fake_libvirt_calls(), "restore"));
	assert_true(exists(link_path) && state_pending(&plan.state));
	text = heard();
	assert_non_null(strstr(text, "X_CASEMENT_FREEZE=running\n"));
	assert_non_null(strstr(text, "STATUS=the guest is being frozen\n"));
	assert_non_null(strstr(text, "X_CASEMENT_FREEZE=done\n"));
}

static void without_an_agent_it_is_frozen_as_well(void **state)
{
	(void)state;
	be_ready();
	fake.fail = VIR_ERR_AGENT_UNRESPONSIVE;
	fake.fail_call = "fsfreeze";
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

/* And may be asked again, when it is over. */
static void a_windows_in_an_update_is_not_frozen(void **state)
{
	static const struct {
		unsigned code;
		const char *words;
	} cases[] = {
		{ 1001, "Windows has an update pending (RebootPending): restart it first" },
		{ 1015, "(RebootPending, RebootInProgress, PackagesPending, RebootRequired): restart it first, or freeze it with --force" },
		{ 1016, "Windows is at its updates (TiWorker, TrustedInstaller): wait until that is over, or freeze it with --force" },
		{ 1063, "Windows is about to shut down or to restart: call that off (shutdown /a), or freeze it with --force" },
	};

	(void)state;
	be_ready();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.windows = cases[i].code;
		fake.windows_looks = 1;
		expect_refusal(cases[i].words);
		assert_int_equal(keeper.life, LIFE_RUNNING);
		assert_int_equal(keeper.health.state, RDP_ANSWERING); /* it was never disturbed */
	}
	assert_non_null(strstr(fake_libvirt_calls(), "osinfo exec look look osinfo"));
	fake.windows = 1000;
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.freeze, FREEZE_DONE);
}

static void by_force_it_is(void **state)
{
	(void)state;
	be_ready();
	fake.windows = 1001;
	send_signal(SIGUSR2, WIRE_FREEZE_FORCE);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.freeze, FREEZE_DONE);
	assert_null(strstr(fake_libvirt_calls(), "osinfo"));
}

static void expect_frozen_unasked(const char *failing, unsigned code)
{
	be_ready();
	fake.windows = code;
	fake.fail = failing ? VIR_ERR_INTERNAL_ERROR : 0;
	fake.fail_call = failing;
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.freeze, FREEZE_DONE);
}

static void an_agent_that_knows_no_system_is_no_hindrance(void **state)
{
	(void)state;
	expect_frozen_unasked("osinfo", 1001);
	assert_null(strstr(fake_libvirt_calls(), "exec"));
}

static void a_silent_agent_is_no_hindrance(void **state)
{
	(void)state;
	fake.unknown_system = true;
	expect_frozen_unasked(NULL, 1001);
	assert_null(strstr(fake_libvirt_calls(), "exec"));
}

static void an_agent_that_runs_no_program_is_no_hindrance(void **state)
{
	(void)state;
	expect_frozen_unasked("exec", 1001);
}

static void a_powershell_that_is_forbidden_is_no_hindrance(void **state)
{
	(void)state;
	expect_frozen_unasked(NULL, 1);
}

/* It may be about to shut down. */
static void an_agent_that_falls_silent_is_one(void **state)
{
	(void)state;
	be_ready();
	fake.windows = 1000;
	fake.fail = VIR_ERR_AGENT_UNRESPONSIVE;
	fake.fail_call = "look";
	expect_refusal("the fake says no");
}

/* It is not frozen, but shut down. */
static void expect_stop_instead(void)
{
	UNTIL(keeper.freeze == FREEZE_FAILED);
	assert_string_equal(keeper.freeze_reason, "it is being stopped");
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

/* What happens while it is asked is heard. */
static void a_stop_while_it_is_asked_goes_first(void **state)
{
	(void)state;
	be_ready();
	fake.windows = 1000;
	fake.gated_call = "look";
	fake.gated = true;
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.asking && keeper.worker.busy);
	assert_string_equal(fake_libvirt_entered(), "look");
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	fake_libvirt_open_gate();
	expect_stop_instead();
}

static void libvirtd_dies_while_it_is_asked(void **state)
{
	(void)state;
	be_ready();
	fake.windows = 1000;
	fake.break_call = "look";
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED);
	UNTIL(keeper.linked && !keeper.worker.busy);
	assert_int_equal(keeper.life, LIFE_RUNNING);
	assert_null(strstr(fake_libvirt_calls(), "save"));
}

/* Its end, which libvirtd, the kernel and PID 1 tell, is none. */
static void what_happens_meanwhile_is_not_heard(void **state)
{
	pid_t pid = start_qemu(false);

	(void)state;
	be_ready();
	fake.gated_call = "save-running";
	fake.gated = true;
	send_signal(SIGUSR2, 0);
	send_signal(SIGUSR2, 0); /* once is enough */
	UNTIL(keeper_freezing(&keeper) && keeper.worker.busy);
	assert_string_equal(fake_libvirt_entered(), "save-running");
	fake_libvirt_event(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	for (int i = 0; i < 10; i++)
		virEventRunDefaultImpl();
	assert_int_equal(keeper.life, LIFE_RUNNING);
	assert_false(keeper.ended);
	fake_libvirt_open_gate();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_true(exists(link_path));
}

static void expect_to_go_on(const char *why)
{
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED && !keeper.worker.busy && keeper.wanted == VIRT_NOTHING);
	if (!strstr(keeper.freeze_reason, why))
		fail_msg("\"%s\" instead of \"%s\"", keeper.freeze_reason, why);
	assert_int_equal(keeper.life, LIFE_RUNNING);
	assert_false(keeper.ended || exists(link_path) || exists(frozen_path) || state_pending(&plan.state));
}

static void a_guest_that_cannot_be_saved_goes_on(void **state)
{
	(void)state;
	be_ready();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "save-running";
	expect_to_go_on("the fake says no");
	/* It was never off, and writes again. */
	assert_non_null(strstr(fake_libvirt_calls(), "fsfreeze save-running fsthaw state"));
	/* And may be asked again. */
	keeper.health.state = RDP_ANSWERING;
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_true(exists(link_path));
}

static void without_room_nothing_is_begun(void **state)
{
	(void)state;
	plan.size.memory = 4096;
	be_ready();
	expect_to_go_on("MiB are needed");
	assert_null(strstr(fake_libvirt_calls(), "save"));
}

/* qemu-img does not take it for what it should be. */
static void spoil_disk(void)
{
	assert_int_equal(pwrite(disk_fd, "x", 1, 0), 1);
}

/** remains() - Is the directory there that is filled? */
static bool remains(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s.new", frozen_path);
	return exists(path);
}

static void expect_loaded_again(void)
{
	UNTIL(keeper.restored && keeper.life == LIFE_BOOTING && !keeper.worker.busy);
	assert_non_null(strstr(fake_libvirt_calls(), "define restore resume"));
	assert_false(keeper.ended || exists(link_path) || exists(frozen_path) || remains() || state_pending(&plan.state));
	fake_libvirt_agent_event(true);
	UNTIL(strstr(fake_libvirt_calls(), "fsthaw set-time"));
	assert_int_equal(keeper.life, LIFE_RUNNING);
}

/* Off, and loaded again from what was just saved. */
static void a_guest_that_cannot_be_copied_goes_on(void **state)
{
	(void)state;
	be_ready();
	spoil_disk();
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED);
	assert_non_null(strstr(keeper.freeze_reason, "cannot be copied"));
	expect_loaded_again();
}

static void one_that_cannot_be_loaded_again_boots(void **state)
{
	(void)state;
	be_ready();
	spoil_disk();
	fake.fail = VIR_ERR_OPERATION_FAILED;
	fake.fail_call = "restore";
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED);
	UNTIL(strstr(fake_libvirt_calls(), "restore create"));
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_string_equal(keeper.cold, "the fake says no");
	assert_false(keeper.ended || state_pending(&plan.state));
}

/* The guest is off, libvirtd is gone, and there is no frozen guest. */
static void lose_libvirtd_and_the_copy(void)
{
	be_ready();
	spoil_disk();
	fake.die_saved = true;
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED && !keeper.linked);
	assert_true(state_pending(&plan.state) && remains());
}

static void libvirtd_dies_and_the_copy_fails(void **state)
{
	(void)state;
	lose_libvirtd_and_the_copy();
	/* The next one knows nothing of a guest. */
	fake.reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
	fake.reachable = true;
	expect_loaded_again();
}

static void a_stop_before_it_is_loaded_again_keeps_it(void **state)
{
	(void)state;
	lose_libvirtd_and_the_copy();
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	fake.reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
	fake.reachable = true;
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_string_equal(keeper.last_words, "the guest was saved for a freeze that came to nothing; the next start resumes it");
	assert_true(state_pending(&plan.state));
}

/* What a casement-guest leaves that dies while libvirtd writes the state; @age: s. */
static void leave_unfinished(int age)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - age } };
	char command[512];

	snprintf(command, sizeof(command), "mkdir %s.new && echo memory >%s.new/state", frozen_path, frozen_path);
	run(command);
	times[0] = times[1];
	snprintf(command, sizeof(command), "%s.new/state", frozen_path);
	assert_int_equal(utimensat(AT_FDCWD, command, times, 0), 0);
	boots_save(boots_path, 71, 1);
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
}

static void the_next_keeper_loads_what_was_being_saved(void **state)
{
	(void)state;
	leave_unfinished(-1);
	begin();
	expect_loaded_again();
}

/* QEMU's end is no crash where libvirtd is about to say that the guest is saved. */
static void the_next_keeper_waits_for_the_word(void **state)
{
	pid_t pid = start_qemu(false);
	int64_t late;

	(void)state;
	leave_unfinished(-1);
	boots_save(boots_path, pid, 1);
	fake.state = VIR_DOMAIN_PAUSED;
	fake.reason = VIR_DOMAIN_PAUSED_SAVE;
	begin();
	UNTIL(keeper.life == LIFE_PAUSED && !keeper.worker.busy);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	UNTIL(keeper.life == LIFE_DYING);
	late = now_ms() + VERDICT_PATIENCE_MS + 100;
	while (now_ms() < late)
		virEventRunDefaultImpl();
	assert_false(keeper.ended);
	fake.state = VIR_DOMAIN_SHUTOFF;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
	fake_libvirt_event(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED);
	expect_loaded_again();
}

/* The guest went on after it, and wrote; then somebody saved it. */
static void an_older_one_is_not_loaded(void **state)
{
	(void)state;
	leave_unfinished(3600);
	begin();
	UNTIL(strstr(fake_libvirt_calls(), "define create"));
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_non_null(strstr(keeper.cold, "what a freeze has left"));
	assert_null(strstr(fake_libvirt_calls(), "restore"));
}

/* Another client of libvirt did it. */
static void a_guest_that_was_saved_without_a_freeze_stays_so(void **state)
{
	(void)state;
	boots_save(boots_path, 71, 1);
	fake.defined = true;
	fake.reason = VIR_DOMAIN_SHUTOFF_SAVED;
	begin();
	UNTIL(keeper.ended);
	assert_non_null(strstr(keeper.last_words, "the guest was saved, by another client"));
}

static void libvirtd_dies_in_the_middle(void **state)
{
	(void)state;
	be_ready();
	fake.break_call = "save-running";
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.freeze == FREEZE_FAILED);
	/* The next one says that it still runs. */
	UNTIL(keeper.linked && !keeper.worker.busy);
	assert_int_equal(keeper.life, LIFE_RUNNING);
	assert_false(keeper.ended || exists(link_path));
}

static void a_stop_in_the_middle_waits_for_it(bool fails)
{
	be_ready();
	fake.gated_call = "save-running";
	fake.gated = true;
	if (fails) {
		fake.fail = VIR_ERR_OPERATION_FAILED;
		fake.fail_call = "save-running";
	}
	send_signal(SIGUSR2, 0);
	UNTIL(keeper_freezing(&keeper) && keeper.worker.busy);
	assert_string_equal(fake_libvirt_entered(), "save-running");
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	for (int i = 0; i < 5; i++)
		virEventRunDefaultImpl();
	assert_false(keeper.ended);
	fake_libvirt_open_gate();
}

/* docker stop on the heels of casementctl freeze: both signals are there when the keeper looks. */
static void a_stop_right_behind_it_goes_first(void **state)
{
	(void)state;
	be_ready();
	send_signal(SIGUSR2, 0);
	send_signal(SIGTERM, 0);
	expect_stop_instead();
}

static void a_stop_right_behind_a_forced_one_ends_with_it(void **state)
{
	(void)state;
	be_ready();
	send_signal(SIGUSR2, WIRE_FREEZE_FORCE);
	send_signal(SIGTERM, 0);
	UNTIL(keeper.stop.requested);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_int_equal(keeper.freeze, FREEZE_DONE);
	assert_null(strstr(fake_libvirt_calls(), "button"));
	assert_true(exists(link_path));
}

static void a_stop_in_the_middle_ends_with_it(void **state)
{
	(void)state;
	a_stop_in_the_middle_waits_for_it(false);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_true(exists(link_path));
}

static void a_stop_goes_on_when_it_fails(void **state)
{
	(void)state;
	a_stop_in_the_middle_waits_for_it(true);
	UNTIL(strstr(fake_libvirt_calls(), "button"));
	power_off();
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
	assert_int_equal(keeper.freeze, FREEZE_FAILED);
}

/* Another container of the same disk, or the same one again. */
static void start_again(void)
{
	keeper_clear(&keeper);
	unlink(boots_path);
	fake_libvirt_reset();
	fake.disk = disk_path;
	begin();
}

static void freeze(void)
{
	be_ready();
	send_signal(SIGUSR2, 0);
	UNTIL(keeper.ended);
	assert_int_equal(keeper.exit_code, EXIT_GUEST_OFF);
}

static void the_frozen_one_goes_on_and_its_agent_is_told(void **state)
{
	(void)state;
	freeze();
	heard();
	start_again();
	UNTIL(keeper.life == LIFE_BOOTING);
	assert_non_null(strstr(fake_libvirt_calls(), "open define restore-rebased resume"));
	assert_non_null(strstr(fake.xml, base_path)); /* the images of here */
	assert_true(keeper.warm && keeper.restored && keeper.ready);
	assert_false(state_pending(&plan.state));
	UNTIL(keeper.wanted == VIRT_NOTHING && !keeper.worker.busy);
	assert_null(strstr(fake_libvirt_calls(), "set-time"));
	fake_libvirt_agent_event(true);
	UNTIL(strstr(fake_libvirt_calls(), "fsthaw set-time"));
	UNTIL(!keeper.worker.busy);
	assert_non_null(strstr(heard(), "X_CASEMENT_GUEST_START=warm\n"));
	assert_true(exists(link_path)); /* of the shared part nothing is used up */
}

static void expect_cold(const char *why)
{
	heard();
	start_again();
	UNTIL(keeper.life == LIFE_BOOTING);
	UNTIL(strstr(fake_libvirt_calls(), "create"));
	if (!strstr(keeper.cold, why))
		fail_msg("\"%s\" instead of \"%s\"", keeper.cold, why);
	assert_false(keeper.restored || state_pending(&plan.state));
	assert_null(strstr(fake_libvirt_calls(), "resume"));
	UNTIL(!keeper.worker.busy);
	assert_non_null(strstr(heard(), "X_CASEMENT_GUEST_START=cold\n"));
}

static void another_machine_boots(void **state)
{
	(void)state;
	freeze();
	plan.size.cpus = 2;
	expect_cold("the guest's configuration is another one");
	assert_null(strstr(fake_libvirt_calls(), "restore"));
}

/* It is loaded while it is read; and destroyed, because it has never run. */
static void a_damaged_state_boots(void **state)
{
	char path[200];
	int fd;

	(void)state;
	freeze();
	snprintf(path, sizeof(path), "%s/state", frozen_path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "M", 1, 0), 1);
	close(fd);
	expect_cold("is damaged: its checksum is another one");
	assert_non_null(strstr(fake_libvirt_calls(), "restore-rebased destroy create"));
}

static void a_changed_disk_boots(void **state)
{
	(void)state;
	freeze();
	assert_int_equal(pwrite(disk_fd, "x", 1, 0), 1);
	expect_cold("the disk was changed");
	assert_null(strstr(fake_libvirt_calls(), "restore"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_is_not_ready_is_not_frozen),
		TEST(what_cannot_be_shared_is_not_frozen),
		TEST(without_libvirtd_it_is_not_frozen),
		TEST(a_guest_that_is_being_stopped_is_not_frozen),
		TEST(a_replaced_disk_is_not_frozen),
		TEST(the_same_refusal_is_said_again),
		TEST(is_frozen_and_that_is_the_end),
		TEST(without_an_agent_it_is_frozen_as_well),
		TEST(a_windows_in_an_update_is_not_frozen),
		TEST(by_force_it_is),
		TEST(an_agent_that_knows_no_system_is_no_hindrance),
		TEST(a_silent_agent_is_no_hindrance),
		TEST(an_agent_that_runs_no_program_is_no_hindrance),
		TEST(a_powershell_that_is_forbidden_is_no_hindrance),
		TEST(an_agent_that_falls_silent_is_one),
		TEST(a_stop_while_it_is_asked_goes_first),
		TEST(libvirtd_dies_while_it_is_asked),
		TEST(what_happens_meanwhile_is_not_heard),
		TEST(a_guest_that_cannot_be_saved_goes_on),
		TEST(without_room_nothing_is_begun),
		TEST(a_guest_that_cannot_be_copied_goes_on),
		TEST(one_that_cannot_be_loaded_again_boots),
		TEST(libvirtd_dies_and_the_copy_fails),
		TEST(a_stop_before_it_is_loaded_again_keeps_it),
		TEST(the_next_keeper_loads_what_was_being_saved),
		TEST(the_next_keeper_waits_for_the_word),
		TEST(an_older_one_is_not_loaded),
		TEST(a_guest_that_was_saved_without_a_freeze_stays_so),
		TEST(libvirtd_dies_in_the_middle),
		TEST(a_stop_right_behind_it_goes_first),
		TEST(a_stop_right_behind_a_forced_one_ends_with_it),
		TEST(a_stop_in_the_middle_ends_with_it),
		TEST(a_stop_goes_on_when_it_fails),
		TEST(the_frozen_one_goes_on_and_its_agent_is_told),
		TEST(another_machine_boots),
		TEST(a_damaged_state_boots),
		TEST(a_changed_disk_boots),
	};

	return fixture_main(tests, ARRAY_SIZE(tests));
}
