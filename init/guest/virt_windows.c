/*
 * An update cannot be seen from outside. So Windows is asked, by a few lines of PowerShell that its
 * agent runs (guest-exec of qga/qapi-schema.json) and that change nothing. They look at
 *
 * - the keys of the registry by which the servicing stack (CBS) and Windows Update remember that a
 *   restart is due or under way,
 * - the processes of the servicing stack,
 * - the event log: the newest of "a shutdown was begun" (1074), "it was called off" (1075) and "the
 *   log was opened", which is at each boot (6005).
 *
 * The answer is the exit code: ANSWERED, and a bit for each. Another code is no answer: PowerShell
 * is forbidden, for instance.
 */
#include "init/guest/virt_windows.h"

#include <errno.h>
#include <jansson.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <time.h>

/* An agent that lives takes some milliseconds for each question; starting PowerShell some seconds.
 */
#define ANSWER_SECONDS 5
#define PATIENCE_MS 20000
/* The agent does not say by itself when a program has ended. */
#define LOOK_EVERY_MS 200

#define ANSWERED 1000
enum {
	REBOOT_PENDING = 1,
	REBOOT_IN_PROGRESS = 2,
	PACKAGES_PENDING = 4,
	REBOOT_REQUIRED = 8,
	SERVICING = 16,
	SHUTDOWN_BEGUN = 32,
	ALL_FINDINGS = 63
};

/* Without double quotes, because Windows has one string for all arguments. */
static const char question[] =
	"$n = 1000; $v = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\'; "
	"$c = $v + 'Component Based Servicing\\'; "
	"if (Test-Path ($c + 'RebootPending')) { $n += 1 }; "
	"if (Test-Path ($c + 'RebootInProgress')) { $n += 2 }; "
	"if (Test-Path ($c + 'PackagesPending')) { $n += 4 }; "
	"if (Test-Path ($v + 'WindowsUpdate\\Auto Update\\RebootRequired')) { $n += 8 }; "
	"if (Get-Process TiWorker, TrustedInstaller -ErrorAction SilentlyContinue) { $n += 16 }; "
	"$e = Get-WinEvent -FilterHashtable @{ LogName = 'System'; "
	"ProviderName = 'User32', 'EventLog'; Id = 1074, 1075, 6005 } "
	"-MaxEvents 1 -ErrorAction SilentlyContinue; "
	"if ($e.Id -eq 1074) { $n += 32 }; exit $n";

/** is_windows() - Return: 1 or 0, or -1 if nobody says, not always with libvirt's error. */
static int is_windows(virDomain *domain)
{
	virTypedParameter *facts = NULL;
	const char *id = NULL;
	int n = 0, result = -1;

	/* Of an agent that is silent it knows nothing, and that is no error. */
	if (virDomainGetGuestInfo(domain, VIR_DOMAIN_GUEST_INFO_OS, &facts, &n, 0) == 0 &&
	    virTypedParamsGetString(facts, n, "os.id", &id) == 1)
		result = streq(id, "mswindows");
	virTypedParamsFree(facts, n);
	return result;
}

/** ask() - One command of the agent. @command: is freed. Return: its result, to be freed, or NULL.
 */
static json_t *ask(virDomain *domain, json_t *command)
{
	autofree char *text = json_dumps(command, JSON_COMPACT);
	autofree char *answer =
		text ? virDomainQemuAgentCommand(domain, text, ANSWER_SECONDS, 0) : NULL;
	json_t *whole = answer ? json_loads(answer, 0, NULL) : NULL;
	json_t *result = json_incref(json_object_get(whole, "return"));

	json_decref(whole);
	json_decref(command);
	return result;
}

/** begin() - Let it run. Return: its pid in the guest, or -1. */
static json_int_t begin(virDomain *domain)
{
	json_t *result =
		ask(domain, json_pack("{s:s, s:{s:s, s:[s, s, s, s]}}", "execute", "guest-exec",
				      "arguments", "path", "powershell.exe", "arg", "-NoProfile",
				      "-NonInteractive", "-Command", question));
	const json_t *pid = json_object_get(result, "pid");
	json_int_t number = json_is_integer(pid) ? json_integer_value(pid) : -1;

	json_decref(result);
	return number;
}

/** has_ended() - @ret_code: with what, if so. Return: 1 or 0, or -1 with libvirt's error. */
static int has_ended(virDomain *domain, json_int_t pid, json_int_t *ret_code)
{
	json_t *result = ask(domain, json_pack("{s:s, s:{s:I}}", "execute", "guest-exec-status",
					       "arguments", "pid", pid));
	int ended = result ? json_is_true(json_object_get(result, "exited")) : -1;

	if (ended > 0)
		*ret_code = json_integer_value(json_object_get(result, "exitcode"));
	json_decref(result);
	return ended;
}

static void explain_silence(struct virt_result *result, const char *why)
{
	snprintf(result->text, sizeof(result->text),
		 "the guest cannot be asked whether an update is under way: %s", why);
}

/** list_keys() - Those that were found, by their names. */
static void list_keys(long long found, size_t size, char *ret_text)
{
	static const char *const names[] = { "RebootPending", "RebootInProgress", "PackagesPending",
					     "RebootRequired" };
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && used < size; i++) {
		if (found & (1LL << i))
			used += (size_t)snprintf(ret_text + used, size - used, "%s%s",
						 used ? ", " : "", names[i]);
	}
}

/** judge() - What the code says. Return: as virt_ask_windows(). */
static int judge(long long code, struct virt_result *result)
{
	const long long keys =
		REBOOT_PENDING | REBOOT_IN_PROGRESS | PACKAGES_PENDING | REBOOT_REQUIRED;
	long long found = code - ANSWERED;
	char names[96] = "", why[64];

	if (found < 0 || found > ALL_FINDINGS) {
		snprintf(why, sizeof(why), "its PowerShell ended with code %lld", code);
		explain_silence(result, why);
		return 0;
	}
	list_keys(found, sizeof(names), names);
	if (found & SHUTDOWN_BEGUN)
		snprintf(
			result->text, sizeof(result->text),
			"Windows is about to shut down or to restart: call that off (shutdown /a), "
			"or freeze it with --force");
	else if (found & keys)
		snprintf(result->text, sizeof(result->text),
			 "Windows has an update pending (%s): restart it first, or freeze it with "
			 "--force",
			 names);
	else if (found & SERVICING)
		snprintf(result->text, sizeof(result->text),
			 "Windows is at its updates (TiWorker, TrustedInstaller): wait until that "
			 "is over, or freeze it with --force");
	return found ? -EBUSY : 0;
}

int virt_ask_windows(virDomain *domain, struct virt_result *result)
{
	const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000L };
	int64_t deadline = now_ms() + PATIENCE_MS;
	json_int_t pid = 0, code = 0;
	int windows, ended;

	virDomainAgentSetResponseTimeout(domain, ANSWER_SECONDS, 0);
	windows = is_windows(domain);
	if (windows == 0)
		return 0;
	if (windows > 0)
		pid = begin(domain);
	if (windows < 0 || pid < 0) {
		explain_silence(result, virGetLastErrorCode() == VIR_ERR_OK
						? "its agent does not answer"
						: virGetLastErrorMessage());
		return 0;
	}
	while ((ended = has_ended(domain, pid, &code)) == 0 && now_ms() < deadline)
		nanosleep(&pause, NULL);
	if (ended > 0)
		return judge(code, result);
	if (ended == 0)
		snprintf(result->text, sizeof(result->text),
			 "Windows does not say within %d s whether an update is under way: wait "
			 "until it is less busy, or freeze it with --force",
			 PATIENCE_MS / 1000);
	/* An agent that answered and does not any more may be about to shut down. */
	return -EBUSY;
}
