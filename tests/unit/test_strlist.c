/* The growing list: always an argv, never sharing what it was given. */
#include "lib/strlist.h"

#include "lib/util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_add(void **state)
{
	struct strlist list = { 0 };
	char text[] = "first";

	(void)state;
	assert_int_equal(strlist_add(&list, text), 0);
	text[0] = 'F';
	assert_string_equal(list.item[0], "first");
	assert_null(list.item[1]);
	assert_int_equal(strlist_add_bytes(&list, "second third", 6), 0);
	assert_int_equal(strlist_add(&list, ""), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.item[1], "second");
	assert_string_equal(list.item[2], "");
	assert_null(list.item[3]);
	strlist_clear(&list);
}

static void test_many(void **state)
{
	struct strlist list = { 0 };
	char text[16];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(strlist_add(&list, text), 0);
		assert_null(list.item[i + 1]);
	}
	assert_string_equal(list.item[999], "999");
	strlist_clear(&list);
	assert_int_equal(list.n, 0);
	assert_null(list.item);
	/* Empty and usable again, and clearing twice is fine. */
	strlist_clear(&list);
	assert_int_equal(strlist_add(&list, "again"), 0);
	assert_string_equal(list.item[0], "again");
	strlist_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add),
					    cmocka_unit_test(test_many) };

	return cmocka_run_group_tests_name("strlist", tests, NULL, NULL);
}
