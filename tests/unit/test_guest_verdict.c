/* How the guest ended, for every mixture of witnesses that was seen or can be thought of. */
#include "init/guest/verdict.h"
#include "lib/util.h"
#include "lib/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <signal.h>

#define KILLED(signal) (signal)
#define EXITED(code) ((code) << 8)

struct verdict_case {
	const char *what;
	struct evidence evidence;
	int code;
	const char *text; /* must be in it */
};

static const struct verdict_case cases[] = {
	{ "power-off, all witnesses",
	  { .up = true, .shutdown = SHUTDOWN_BY_GUEST, .stopped = STOPPED_SHUTDOWN, .gone = true, .status_known = true },
	  EXIT_GUEST_OFF, "shut down" },
	{ "power-off, then libvirtd had to kill QEMU",
	  { .up = true, .shutdown = SHUTDOWN_BY_GUEST, .gone = true, .status_known = true, .status = KILLED(SIGKILL) },
	  EXIT_GUEST_OFF, "shut down" },
	{ "power-off at the last moment before the destroy",
	  { .up = true, .destroyed = true, .shutdown = SHUTDOWN_BY_GUEST, .stopped = STOPPED_DESTROYED },
	  EXIT_GUEST_OFF, "shut down" },
	{ "events missed, libvirtd says shutdown", { .up = true, .stopped = STOPPED_SHUTDOWN }, EXIT_GUEST_OFF, "shut down" },
	{ "SIGTERM to QEMU from outside",
	  { .up = true, .shutdown = SHUTDOWN_BY_HOST, .stopped = STOPPED_SHUTDOWN, .pid = 71, .status_known = true },
	  EXIT_GUEST_CRASHED, "QEMU (pid 71) was ended by a signal from outside" },
	{ "SIGKILL to QEMU",
	  { .up = true, .stopped = STOPPED_FAILED, .gone = true, .pid = 71, .status_known = true, .status = KILLED(SIGKILL) },
	  EXIT_GUEST_CRASHED, "QEMU (pid 71) was killed by SIGKILL" },
	{ "SIGKILL to QEMU without libvirtd",
	  { .up = true, .gone = true, .pid = 71, .status_known = true, .status = KILLED(SIGKILL) }, EXIT_GUEST_CRASHED,
	  "QEMU (pid 71) was killed by SIGKILL" },
	{ "core dumped", { .up = true, .pid = 9, .status_known = true, .status = KILLED(SIGSEGV) | 0x80 }, EXIT_GUEST_CRASHED,
	  "killed by SIGSEGV" },
	{ "a signal without a name", { .up = true, .status_known = true, .status = KILLED(40) }, EXIT_GUEST_CRASHED,
	  "signal 40" },
	{ "QEMU gave up", { .up = true, .stopped = STOPPED_FAILED, .pid = 71, .status_known = true, .status = EXITED(1) },
	  EXIT_GUEST_CRASHED, "QEMU (pid 71) ended with code 1" },
	{ "QEMU left with 0 and nobody saw a shutdown", { .up = true, .gone = true, .pid = 71, .status_known = true },
	  EXIT_GUEST_CRASHED, "without a shutdown" },
	{ "QEMU vanished", { .up = true, .stopped = STOPPED_FAILED, .gone = true }, EXIT_GUEST_CRASHED, "nobody knows" },
	{ "found off by a new libvirtd", { .up = true, .stopped = STOPPED_UNKNOWN }, EXIT_GUEST_CRASHED, "nobody knows" },
	{ "the guest panicked", { .up = true, .panicked = true, .stopped = STOPPED_CRASHED, .status_known = true },
	  EXIT_GUEST_CRASHED, "the guest crashed" },
	{ "found crashed", { .stopped = STOPPED_CRASHED }, EXIT_GUEST_CRASHED, "the guest crashed" },
	{ "destroyed at the deadline", { .up = true, .destroyed = true, .stopped = STOPPED_DESTROYED, .gone = true },
	  EXIT_GUEST_DESTROYED, "did not stop by the deadline and was destroyed" },
	{ "killed at the deadline without libvirtd",
	  { .up = true, .destroyed = true, .gone = true, .status_known = true, .status = KILLED(SIGKILL) },
	  EXIT_GUEST_DESTROYED, "was destroyed" },
	{ "ended by our SIGTERM", { .up = true, .destroyed = true, .shutdown = SHUTDOWN_BY_HOST, .stopped = STOPPED_SHUTDOWN },
	  EXIT_GUEST_DESTROYED, "was destroyed" },
	{ "will not go", { .up = true, .destroyed = true }, EXIT_GUEST_DESTROYED, "cannot be destroyed" },
	{ "virsh destroy", { .up = true, .stopped = STOPPED_DESTROYED, .status_known = true }, EXIT_GUEST_DESTROYED,
	  "another client" },
	{ "virsh managedsave", { .up = true, .stopped = STOPPED_SAVED }, EXIT_GUEST_OFF, "saved" },
	{ "saved by us", { .up = true, .saved = true, .stopped = STOPPED_SAVED, .gone = true }, EXIT_GUEST_OFF,
	  "was saved; the next start resumes it" },
	{ "saved by us at the last moment", { .up = true, .saved = true, .destroyed = true, .shutdown = SHUTDOWN_BY_HOST, .gone = true },
	  EXIT_GUEST_OFF, "was saved; the next start resumes it" },
	{ "saved in vain", { .up = true, .destroyed = true, .stopped = STOPPED_SAVED }, EXIT_GUEST_DESTROYED, "was destroyed" },
	{ "nothing at all", { .up = false }, EXIT_GUEST_OFF, "no guest" },
};

static void judges_every_mixture(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[160] = "";
		int code = verdict_pronounce(&cases[i].evidence, sizeof(text), text);

		if (code != cases[i].code || !strstr(text, cases[i].text))
			fail_msg("%s: %d, \"%s\"", cases[i].what, code, text);
	}
}

static void waits_for_late_witnesses(void **state)
{
	struct evidence evidence = { .up = true, .status_expected = true };

	(void)state;
	assert_false(verdict_ready(&evidence, 0));
	/* libvirtd says that QEMU failed; PID 1 will say with which signal. */
	evidence.stopped = STOPPED_FAILED;
	assert_false(verdict_ready(&evidence, 499));
	assert_true(verdict_ready(&evidence, 500));
	evidence.status_known = true;
	assert_true(verdict_ready(&evidence, 0));
	/* The process is gone, with 0: was it a power-off? libvirtd may know. */
	evidence = (struct evidence){ .up = true, .status_expected = true, .gone = true, .status_known = true };
	assert_false(verdict_ready(&evidence, 0));
	/* With a signal there is nothing to ask. */
	evidence.status = KILLED(SIGKILL);
	assert_true(verdict_ready(&evidence, 0));
	/* Its state is being written: whatever they say, and however long it takes. */
	evidence.saving = true;
	assert_false(verdict_ready(&evidence, 60000));
	/* Without PID 1 nobody tells a status. */
	evidence = (struct evidence){ .up = true, .stopped = STOPPED_FAILED };
	assert_true(verdict_ready(&evidence, 0));
}

/* From guest off to the end of the container no moment is wasted. */
static void a_power_off_is_clear_at_once(void **state)
{
	struct evidence evidence = { .up = true, .status_expected = true, .shutdown = SHUTDOWN_BY_GUEST };

	(void)state;
	assert_false(verdict_ready(&evidence, 0)); /* QEMU is still there */
	evidence.gone = true;
	assert_true(verdict_ready(&evidence, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_every_mixture),
		cmocka_unit_test(waits_for_late_witnesses),
		cmocka_unit_test(a_power_off_is_clear_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
