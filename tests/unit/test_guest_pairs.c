/*
 * The keeper in every state of the guest's life, with every event, on a fake libvirt: which call is made next, if any.
 *
 * The table itself is test_guest_life's; this is about what becomes of its actions. Every call waits at a gate, so that the
 * first one, and only that, is seen.
 */
#include "init/guest/boots.h"
#include "keeper_fixture.h"

/* The call that a pair must lead to at once; NULL: none. */
static const char *expected_call(enum life_state state, enum life_event event)
{
	struct life_step step = life_step(state, event);

	if (step.action == LIFE_DO_DEFINE)
		return "define";
	if (step.action == LIFE_DO_CREATE)
		return "create";
	/* In the first moment of a stop the button is pressed, by whatever way the guest got there. */
	switch (step.next) {
	case LIFE_STOP_RUNNING: return "button";
	case LIFE_STOP_PAUSED: return "resume";
	case LIFE_STOP_ASLEEP: return "wake";
	case LIFE_BOOTING:
	case LIFE_RUNNING:
	case LIFE_PAUSED:
	case LIFE_ASLEEP:
	case LIFE_UNKNOWN:
	case LIFE_DEFINING:
	case LIFE_CREATING:
	case LIFE_STOP_UNKNOWN:
	case LIFE_STOP_CREATING:
	case LIFE_DYING:
	case LIFE_ENDED:
	case N_LIFE_STATES: break;
	}
	return NULL;
}

/** put_into() - As if the guest had come to @state by the usual way. */
static void put_into(enum life_state state)
{
	keeper.linked = true;
	keeper.life = state;
	keeper.evidence.up = life_up(state);
	keeper.virt.domain = (virDomain *)&fake;
	keeper.virt.connect = (virConnect *)&fake;
	if (life_stopping(state))
		stop_begin(&keeper.stop, config.stop.timeout, now_ms());
	if (state == LIFE_DYING)
		keeper.evidence.shutdown = SHUTDOWN_BY_GUEST;
	keeper.ended = state == LIFE_ENDED;
}

/** first_connection() - Let the keeper connect; the gate is still open. */
static void first_connection(void)
{
	while (keeper.worker.busy)
		virEventRunDefaultImpl();
}

/** deliver() - As it comes in real life: a stop is a signal, which notes it before it feeds it. */
static void deliver(enum life_event event)
{
	if (event == LIFE_STOP)
		stop_begin(&keeper.stop, config.stop.timeout, now_ms());
	keeper_feed(&keeper, event);
	if (!keeper.ended)
		keeper_settle(&keeper);
}

static void try_pair(enum life_state state, enum life_event event)
{
	struct life_step step = life_step(state, event);
	const char *expected = expected_call(state, event);
	const char *made;

	/* Whatever libvirtd answers to the first look leads nowhere: it comes from a keeper that is already ended. */
	boots_save(boots_path, 71, 1);
	make_keeper();
	keeper.ended = true;
	first_connection();
	keeper.ended = false;
	fake.gated = true;
	put_into(state);
	deliver(event);
	made = keeper.worker.busy ? fake_libvirt_entered() : NULL;
	if ((made == NULL) != (expected == NULL) || (made && !streq(made, expected)))
		fail_msg("%s, %s: expected %s, got %s", life_state_name(state), life_event_name(event),
			 expected ? expected : "no call", made ? made : "none");
	if (state != LIFE_ENDED && keeper.ended != (step.next == LIFE_ENDED))
		fail_msg("%s, %s: ended %d", life_state_name(state), life_event_name(event), keeper.ended);
}

static void every_pair(void **state)
{
	unsigned pairs = 0;

	for (unsigned s = 0; s < N_LIFE_STATES; s++) {
		for (unsigned e = 0; e < N_LIFE_EVENTS; e++) {
			assert_int_equal(fixture_set_up(state), 0);
			try_pair((enum life_state)s, (enum life_event)e);
			assert_int_equal(fixture_tear_down(state), 0);
			pairs++;
		}
	}
	assert_int_equal(pairs, (unsigned)N_LIFE_STATES * (unsigned)N_LIFE_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_pair) };

	return fixture_main(tests, ARRAY_SIZE(tests));
}
