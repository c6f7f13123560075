/* Users and groups of the files: what every machine has, and what none has. */
#include "lib/account.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_user(void **state)
{
	uid_t uid = 1;
	gid_t gid = 1;

	(void)state;
	assert_int_equal(account_user("root", &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	uid = gid = 7;
	assert_int_equal(account_user("no-such-user", &uid, &gid), -ENOENT);
	assert_int_equal(account_user("", &uid, &gid), -ENOENT);
	assert_int_equal(uid, 7);
	assert_int_equal(gid, 7);
}

static void test_group(void **state)
{
	gid_t gid = 1;

	(void)state;
	assert_int_equal(account_group("root", &gid), 0);
	assert_int_equal(gid, 0);
	gid = 7;
	assert_int_equal(account_group("no-such-group", &gid), -ENOENT);
	assert_int_equal(gid, 7);
}

/* A user's own group comes first, also for a user who is in no other. */
static void test_own_group(void **state)
{
	gid_t groups[2] = { 7, 7 };

	(void)state;
	assert_int_equal(account_groups("no-such-user", 5, groups, 2), 1);
	assert_int_equal(groups[0], 5);
	assert_int_equal(account_groups("root", 0, groups, 1), 1);
	assert_int_equal(groups[0], 0);
	assert_int_equal(groups[1], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_own_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
