/*
 * What netfw costs in-process, in a network namespace of its own: the table as a whole, nothing to
 * do, one forward more, the counters, a reading of all. Prints a line for each number of forwards,
 * tab-separated medians in microseconds. tests/bench/netfw_bench.py compiles and runs it.
 */
#include "netfw/netfw.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MANY 10001
#define ROUNDS 31

static struct netfw_forward forwards[MANY];
static struct netfw_count counts[MANY];
static struct netfw_network network = { .bridge = "virbr1", .prefix = 24, .mtu = 1500 };
static struct netfw_error error;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

/* A table of another's making, so that ours has to be built anew. */
static void forget(struct netfw *netfw)
{
	check(netfw_clear(netfw, "virbr1", &error));
}

static void apply(struct netfw *netfw, size_t n, enum netfw_change expected)
{
	struct netfw_rules rules = { .forwards = forwards, .n_forwards = n };
	enum netfw_change change;

	check(netfw_apply(netfw, &network, &rules, &change, &error));
	if (change != expected) {
		fprintf(stderr, "the change is %d instead of %d\n", change, expected);
		exit(1);
	}
}

int main(void)
{
	static const size_t numbers[] = { 1, 100, 1000, 10000 };
	double whole[ROUNDS], nothing[ROUNDS], one[ROUNDS], count[ROUNDS];
	struct netfw *netfw = NULL;

	if (unshare(CLONE_NEWNET) < 0) {
		perror("a network namespace is needed");
		return 1;
	}
	network.address.s_addr = inet_addr("192.168.121.1");
	network.guest.s_addr = inet_addr("192.168.121.68");
	for (unsigned i = 0; i < MANY; i++)
		forwards[i] = (struct netfw_forward){ .proto = IPPROTO_TCP,
						      .listen_first = (uint16_t)(i + 1),
						      .listen_last = (uint16_t)(i + 1),
						      .guest_first = 3389 };
	check(netfw_open("casement", &netfw, &error));
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
		size_t n = numbers[k];
		for (size_t i = 0; i < ROUNDS; i++) {
			double begin;

			forget(netfw);
			begin = now();
			apply(netfw, n, NETFW_REPLACED);
			whole[i] = now() - begin;
			begin = now();
			apply(netfw, n, NETFW_UNCHANGED);
			nothing[i] = now() - begin;
			begin = now();
			apply(netfw, n + 1, NETFW_UPDATED);
			one[i] = now() - begin;
			apply(netfw, n, NETFW_UPDATED);
			begin = now();
			check(netfw_count(netfw, counts, n, &error));
			count[i] = now() - begin;
		}
		printf("%zu\t%.1f\t%.1f\t%.1f\t%.1f\n", n, median(whole, ROUNDS),
		       median(nothing, ROUNDS), median(one, ROUNDS), median(count, ROUNDS));
	}
	netfw_close(netfw);
	return 0;
}
