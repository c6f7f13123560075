/*
 * For LD_PRELOAD: the wall clock jumps an hour at every look at it, back and forth. What is timed
 * by CLOCK_MONOTONIC does not notice.
 */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t jump(void)
{
	static unsigned looks;

	return looks++ % 2 ? 3600 : -3600;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_RAW &&
	    clock != CLOCK_BOOTTIME)
		now->tv_sec += jump();
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int result = (int)syscall(SYS_gettimeofday, now, zone);

	if (result == 0)
		now->tv_sec += jump();
	return result;
}

time_t time(time_t *ret_now)
{
	struct timeval now = { 0 };

	gettimeofday(&now, NULL);
	if (ret_now)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}
