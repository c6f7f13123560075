/*
 * What netfw costs in-process. One sample a line, "NAME\tMICROSECONDS", in rounds of all kinds.
 *
 *   apply make N ROUNDS   tables of N forwards, which are gone afterwards
 *   apply keep N ROUNDS   where `casement-netfw up` has made a table of N forwards; nothing is
 *                         changed. Ends with a line "counters" and their number.
 *
 * tests/bench/netfw_bench.py compiles and runs it, and configures the same forwards for `up`.
 */
#include "netfw/netfw.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE "casement"
#define BRIDGE "virbr1"
#define MANY 20000

static struct netfw_forward forwards[MANY + 1];
static struct netfw_count counts[MANY];
static struct netfw_network network = { .bridge = BRIDGE, .prefix = 24, .mtu = 1500 };
static enum netfw_source source = NETFW_SOURCE_BRIDGE;
static struct netfw_error error;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

/** apply() - The first @n forwards; a sample if it has a @name. */
static void apply(struct netfw *netfw, const char *name, size_t n, enum netfw_change expected)
{
	struct netfw_rules rules = { .forwards = forwards, .n_forwards = n, .source = source };
	enum netfw_change change;
	double begin = now(), end;

	check(netfw_apply(netfw, &network, &rules, &change, &error));
	end = now();
	if (change != expected) {
		fprintf(stderr, "the change is %d instead of %d\n", change, expected);
		exit(1);
	}
	if (name)
		printf("%s\t%.1f\n", name, end - begin);
}

static void count(struct netfw *netfw, size_t n)
{
	double begin = now();

	check(netfw_count(netfw, counts, n, &error));
	printf("read counters\t%.1f\n", now() - begin);
}

/** disturb() - Others change the packet filter, but not our table. */
static void disturb(struct netfw *other)
{
	check(netfw_clear(other, "none", &error));
}

static void make_round(struct netfw *netfw, struct netfw *twin, struct netfw *other, size_t n)
{
	check(netfw_clear(netfw, BRIDGE, &error));
	source = NETFW_SOURCE_CLIENT;
	apply(netfw, "apply, no table yet", n, NETFW_REPLACED);
	source = NETFW_SOURCE_BRIDGE;
	apply(netfw, "apply, other rules", n, NETFW_REPLACED);
	apply(netfw, "apply, nothing to do", n, NETFW_UNCHANGED);
	apply(netfw, "one forward more", n + 1, NETFW_UPDATED);
	apply(netfw, "one forward less", n, NETFW_UPDATED);
	count(netfw, n);
	disturb(other);
	apply(netfw, "foreign change elsewhere", n, NETFW_UNCHANGED);
	apply(twin, NULL, n - 1, NETFW_UPDATED);
	apply(netfw, "foreign change, one put back", n, NETFW_UPDATED);
}

/** choose() - The network of `casement-netfw up`, as it configures it by default. */
static void choose(struct netfw *netfw)
{
	struct netfw_wish wish = { .bridge = BRIDGE, .prefix = 24 };

	wish.subnet.s_addr = inet_addr("192.168.121.0");
	check(netfw_choose(netfw, &wish, &network, &error));
}

static size_t counted(size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (counts[i].packets_in ? 1u : 0u) + (counts[i].packets_out ? 1u : 0u);
	return sum;
}

int main(int argc, char *argv[])
{
	struct netfw *netfw = NULL, *twin = NULL, *other = NULL;
	bool make = argc == 4 && strcmp(argv[1], "make") == 0;
	size_t n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int rounds = argc == 4 ? atoi(argv[3]) : 0;

	if (n < 1 || n > MANY || rounds < 1) {
		fprintf(stderr, "usage: apply make|keep FORWARDS ROUNDS\n");
		return 64;
	}
	network.address.s_addr = inet_addr("192.168.121.1");
	network.guest.s_addr = inet_addr("192.168.121.68");
	for (unsigned i = 0; i <= MANY; i++)
		forwards[i] = (struct netfw_forward){ .proto = IPPROTO_TCP,
						      .listen_first = (uint16_t)(i + 1),
						      .listen_last = (uint16_t)(i + 1),
						      .guest_first = 3389 };
	check(netfw_open(TABLE, &netfw, &error));
	check(netfw_open(TABLE, &twin, &error));
	check(netfw_open(TABLE "-other", &other, &error));
	if (!make)
		choose(netfw);
	for (int i = 0; i < rounds; i++) {
		if (make) {
			make_round(netfw, twin, other, n);
		} else {
			disturb(other);
			apply(netfw, "foreign change elsewhere", n, NETFW_UNCHANGED);
			count(netfw, n);
		}
	}
	if (make)
		check(netfw_clear(netfw, BRIDGE, &error));
	else
		printf("counters\t%zu\n", counted(n));
	netfw_close(other);
	netfw_close(twin);
	netfw_close(netfw);
	return 0;
}
