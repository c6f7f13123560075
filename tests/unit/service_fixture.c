#include "service_fixture.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char name[] = "s";

static const struct service_config notify_config = {
	.name = name,
	.type = SERVICE_NOTIFY,
	.restart = RESTART_ON_FAILURE,
	.final_codes = { 1U << 7 },
	.backoff = 100,
	.backoff_max = 1000,
	.restart_limit = 4,
	.healthy_after = 5000,
	.start_timeout = 2000,
	.stop_timeout = 3000,
	.stop_signal = SIGTERM,
	.watchdog = 400,
};

int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_init(&f->fake);
	f->config = notify_config;
	service_init(&f->service, &f->config, T0);
	*state = f;
	return 0;
}

int leave(void **state)
{
	free(*state);
	return 0;
}

void event(struct fixture *f, enum service_event what, int64_t now)
{
	service_event(&f->service, what, &f->fake.effects, now);
}

void exits(struct fixture *f, int wait_status, int64_t now)
{
	f->service.wait_status = wait_status;
	event(f, SERVICE_EXITED, now);
}

void put_into(struct fixture *f, enum service_state state)
{
	struct service *service = &f->service;
	bool has_process = state == SERVICE_STARTING || state == SERVICE_READY ||
			   state == SERVICE_ENDING || state == SERVICE_HOLDING ||
			   state == SERVICE_STOPPING;

	*service = (struct service){
		.config = &f->config,
		.state = state,
		.pid = has_process ? 77 : 0,
		.since = T0 - 100,
		.started = T0 - 200,
		.started_once = state != SERVICE_WAITING,
		.deadline = state == SERVICE_WAITING || state == SERVICE_READY ||
					    state == SERVICE_STOPPED || state == SERVICE_FAILED
				    ? NEVER
				    : T0 + 50,
		.starves = state == SERVICE_STARTING || state == SERVICE_READY ? T0 + 60 : NEVER,
		.wait_status = EXITED(1),
		.reload_ends = NEVER,
		.failures = 1,
		.tries = 1,
		.restarts = 1,
		.stop_value = 9,
	};
}
