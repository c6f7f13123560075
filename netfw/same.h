/*
 * Is an object of the kernel's the one that we would make? Pure.
 *
 * The kernel tells more than it was told: handles, counts, defaults. So ours is the same if all of
 * its attributes are there with the same bytes, and whatever the kernel adds inside of an
 * expression is zero. A kernel that adds something else only costs us the knowledge that nothing is
 * to be done.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>

/** same_object() - Compare a set or a chain. @skip: type of an attribute that does not count. */
bool same_object(const struct nlmsghdr *ours, const struct nlmsghdr *theirs, uint16_t skip);

/** same_rule() - Compare the expressions of two rules; the values of counters do not count. */
bool same_rule(const struct nlmsghdr *ours, const struct nlmsghdr *theirs);
