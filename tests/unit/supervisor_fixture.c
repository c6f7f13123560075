#include "supervisor_fixture.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *service_names[N_SERVICES] = { (char[]){ "a" }, (char[]){ "b" }, (char[]){ "c" },
					   (char[]){ "d" }, (char[]){ "m" } };

static void add_condition(struct config *config, int service, size_t other)
{
	config->services[service].after_index[config->services[service].n_after++] = other;
}

void again(struct fixture *f)
{
	memset(&f->supervisor, 0, sizeof(f->supervisor));
	fake_init(&f->fake);
	supervisor_init(&f->supervisor, &f->config, &f->fake.effects, f->now);
}

int enter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->now = 1000000;
	f->config.n_services = N_SERVICES;
	f->config.stop.timeout = 60000;
	for (int i = 0; i < N_SERVICES; i++)
		f->config.services[i] = (struct service_config){
			.name = service_names[i],
			.type = SERVICE_NOTIFY,
			.restart = RESTART_ALWAYS,
			.backoff = 100,
			.backoff_max = 1000,
			.restart_limit = 3,
			.healthy_after = 30000,
			.start_timeout = 5000,
			.stop_timeout = 2000,
			.stop_signal = SIGTERM,
			.critical = i == A || i == B || i == C,
		};
	f->config.services[C].type = SERVICE_ONESHOT;
	f->config.services[C].restart = RESTART_ON_FAILURE;
	f->config.services[C].restart_limit = 1;
	f->config.services[D].type = SERVICE_SIMPLE;
	f->config.services[M].main = true;
	f->config.services[M].final_codes[0] = 1U << 0 | 1U << 7;
	add_condition(&f->config, B, A);
	add_condition(&f->config, D, C);
	add_condition(&f->config, M, B);
	add_condition(&f->config, M, D);
	again(f);
	*state = f;
	return 0;
}

int leave(void **state)
{
	free(*state);
	return 0;
}

void step(struct fixture *f)
{
	supervisor_step(&f->supervisor, f->now);
}

void pass(struct fixture *f, int64_t ms)
{
	int64_t until = f->now + ms;

	for (;;) {
		int64_t next = supervisor_next_deadline(&f->supervisor);

		if (next > until)
			break;
		/* A deadline that stays in the past would keep PID 1 awake for ever. */
		assert_true(next > f->now || next == f->now);
		f->now = next > f->now ? next : f->now + 1;
		step(f);
	}
	f->now = until;
	step(f);
}

void says(struct fixture *f, int service, const char *text)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", text);
	supervisor_datagram(&f->supervisor, &f->supervisor.services[service], copy, f->now);
	step(f);
}

void execs(struct fixture *f, int service)
{
	supervisor_event(&f->supervisor, &f->supervisor.services[service], SERVICE_EXECED, f->now);
	step(f);
}

void dies(struct fixture *f, int service, int wait_status)
{
	assert_true(f->supervisor.services[service].pid > 0);
	supervisor_reaped(&f->supervisor, f->supervisor.services[service].pid, wait_status, f->now);
	step(f);
}

void start_all(struct fixture *f)
{
	step(f);
	says(f, A, "READY=1");
	dies(f, C, EXITED(0));
	says(f, B, "READY=1");
	execs(f, D);
	says(f, M, "READY=1");
	for (int i = 0; i < N_SERVICES; i++)
		is(f, i, SERVICE_READY);
	fake_did(&f->fake);
}

void start_with_guest(struct fixture *f)
{
	start_all(f);
	says(f, M,
	     "X_CASEMENT_GUEST_STATE=running\nX_CASEMENT_GUEST_PID=500\nX_CASEMENT_RDP=answering");
	assert_int_equal(f->supervisor.overall, OVERALL_READY);
	did(f, "");
}
