/*
 * The table of the guest's life: every pair of state and event against golden-guest/life.txt, and the laws that no table
 * may break. Run with CASEMENT_GOLDEN_UPDATE=1 to write the file anew, and read the difference.
 */
#include "init/guest/life.h"
#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FILE_NAME GOLDEN_DIRECTORY "/life.txt"

static void print_table(FILE *out)
{
	fputs("# state, event: next state, action. Every pair, also those that do nothing.\n", out);
	for (unsigned s = 0; s < N_LIFE_STATES; s++) {
		fputc('\n', out);
		for (unsigned e = 0; e < N_LIFE_EVENTS; e++) {
			struct life_step step = life_step((enum life_state)s, (enum life_event)e);

			fprintf(out, "%-13s %-14s %-13s %s\n", life_state_name((enum life_state)s),
				life_event_name((enum life_event)e), life_state_name(step.next),
				life_action_name(step.action));
		}
	}
}

static void every_pair_is_as_agreed(void **state)
{
	autofree char *now = NULL;
	autofree char *agreed = NULL;
	size_t size = 0, n = 0;
	FILE *out = open_memstream(&now, &size);
	autofclose FILE *file = fopen(FILE_NAME, getenv("CASEMENT_GOLDEN_UPDATE") ? "w+e" : "re");

	(void)state;
	assert_non_null(out);
	assert_non_null(file);
	print_table(out);
	fclose(out);
	if (getenv("CASEMENT_GOLDEN_UPDATE")) {
		fputs(now, file);
		return;
	}
	agreed = calloc(1, size + 2);
	assert_non_null(agreed);
	n = fread(agreed, 1, size + 1, file);
	agreed[n] = '\0';
	assert_string_equal(now, agreed);
}

#define FOR_EACH_PAIR(s, e)                                                       \
	for (enum life_state s = 0; s < N_LIFE_STATES; s++)                       \
		for (enum life_event e = 0; e < N_LIFE_EVENTS; e++)

static void the_end_is_final(void **state)
{
	(void)state;
	for (enum life_event e = 0; e < N_LIFE_EVENTS; e++) {
		assert_int_equal(life_step(LIFE_ENDED, e).next, LIFE_ENDED);
		assert_int_equal(life_step(LIFE_ENDED, e).action, LIFE_DO_NOTHING);
	}
}

/* A guest is started from one state only, and never once it is to stop. (The keeper feeds no reload then.) */
static void one_start(void **state)
{
	(void)state;
	FOR_EACH_PAIR(s, e)
	{
		enum life_action action = life_step(s, e).action;

		if (action == LIFE_DO_CREATE)
			assert_true(s == LIFE_DEFINING && e == LIFE_DEFINED);
		if (action == LIFE_DO_DEFINE)
			assert_true((s == LIFE_UNKNOWN && e == LIFE_FOUND_OFF) ||
				    /* Somebody else's start, which came to nothing. */
				    (s == LIFE_CREATING && (e == LIFE_FOUND_OFF || e == LIFE_FOUND_ENDED)) ||
				    (s == LIFE_DYING && e == LIFE_RELOAD));
	}
}

/* Only the guest's end, or our own, ends a guest that is up: nothing that happens to libvirtd does. */
static void libvirtd_does_not_matter(void **state)
{
	(void)state;
	for (enum life_state s = 0; s < N_LIFE_STATES; s++) {
		struct life_step step = life_step(s, LIFE_LOST);

		assert_int_equal(step.action, LIFE_DO_NOTHING);
		if (life_up(s))
			assert_int_equal(step.next, s);
	}
}

static void a_stop_is_never_forgotten(void **state)
{
	(void)state;
	FOR_EACH_PAIR(s, e)
	{
		enum life_state next = life_step(s, e).next;

		if (life_stopping(s))
			assert_true(life_stopping(next) || next == LIFE_DYING || next == LIFE_ENDED);
	}
	for (enum life_state s = 0; s < N_LIFE_STATES; s++) {
		enum life_state next = life_step(s, LIFE_STOP).next;

		assert_true(life_stopping(next) || next == LIFE_DYING || next == LIFE_ENDED);
	}
}

/* Whatever was missed, an answer of libvirtd's puts it right. */
static void a_look_is_believed(void **state)
{
	(void)state;
	for (enum life_state s = 0; s < N_LIFE_STATES; s++) {
		if (!life_up(s))
			continue;
		assert_int_equal(life_step(s, LIFE_FOUND_OFF).next, LIFE_DYING);
		assert_int_equal(life_step(s, LIFE_FOUND_ENDED).next, LIFE_DYING);
		assert_int_equal(life_step(s, LIFE_SHUTDOWN).next, LIFE_DYING);
		assert_int_equal(life_step(s, LIFE_GONE).next, LIFE_DYING);
	}
}

static void the_last_step_always_ends(void **state)
{
	(void)state;
	for (enum life_state s = 0; s < N_LIFE_STATES; s++) {
		if (life_stopping(s) || s == LIFE_DYING)
			assert_int_equal(life_step(s, LIFE_GIVE_UP).next, LIFE_ENDED);
	}
	assert_int_equal(life_step(LIFE_DYING, LIFE_CONCLUDE).next, LIFE_ENDED);
}

static void names_are_distinct(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_LIFE_STATES; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(life_state_name((enum life_state)i), life_state_name((enum life_state)j));
	}
	for (unsigned i = 0; i < N_LIFE_EVENTS; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(life_event_name((enum life_event)i), life_event_name((enum life_event)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_is_as_agreed),
		cmocka_unit_test(the_end_is_final),
		cmocka_unit_test(one_start),
		cmocka_unit_test(libvirtd_does_not_matter),
		cmocka_unit_test(a_stop_is_never_forgotten),
		cmocka_unit_test(a_look_is_believed),
		cmocka_unit_test(the_last_step_always_ends),
		cmocka_unit_test(names_are_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
