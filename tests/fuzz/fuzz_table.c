/*
 * What somebody passes as the table of forwards. The input is the memory, sealed as PID 1 wants it;
 * if it is taken, the answers of the status socket must be well-formed, whatever is in it.
 */
#include "fuzz.h"

#include "init/pid1/forwards.h"
#include "init/pid1/report.h"
#include "lib/log.h"
#include "lib/util.h"
#include "tests/unit/fake_effects.h"
#include "tests/unit/json_reader.h"

#include <fcntl.h>
#include <sys/mman.h>

static char guest_name[] = "windows", service_name[] = "a";
static struct supervisor supervisor;

static void drop_line(void *context, enum log_level level, const char *text, size_t length)
{
	(void)context;
	(void)level;
	PROMISE(length > 0 && text);
}

static void check_answers(void)
{
	static char answer[REPORT_MAX];
	size_t length = report_status(&supervisor, 0, answer, sizeof(answer));
	const char *last = "# TYPE casement_forwards_omitted gauge\n";

	PROMISE(length > 1 && length <= sizeof(answer) && answer[length - 1] == '\n');
	PROMISE(json_is_valid(answer, length - 1));
	length = report_metrics(&supervisor, 0, 0, answer, sizeof(answer) - 1);
	PROMISE(length > 0 && length < sizeof(answer) - 1 && answer[length - 1] == '\n');
	answer[length] = '\0';
	PROMISE(strstr(answer, last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config = { .guest.name = guest_name,
					.services[0].name = service_name,
					.n_services = 1 };
	int passed = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct fake fake;

	log_redirect(drop_line, NULL);
	fake_init(&fake);
	supervisor_init(&supervisor, &config, &fake.effects, 0);
	strcpy(supervisor.guest.address, "192.168.121.68");
	PROMISE(write(passed, data, size) == (ssize_t)size);
	PROMISE(fcntl(passed, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	forwards_take(&supervisor, &supervisor.services[0], &passed);
	PROMISE((passed < 0) == (supervisor.forwards_fd >= 0));
	check_answers();
	close(passed < 0 ? supervisor.forwards_fd : passed);
	return 0;
}
