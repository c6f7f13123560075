/* What progress looks like. Pure. */
#include "image/progress.h"

#include <inttypes.h>

static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

/** unit_of() - The place of the unit in which @value has one to three digits in front. */
static unsigned unit_of(uint64_t value)
{
	unsigned unit = 0;

	for (uint64_t rest = value; rest >= 1000 && unit + 1 < ARRAY_SIZE(units); rest >>= 10)
		unit++;
	return unit;
}

/** print_amount() - One decimal where there is room for one. Return: its length. */
static int print_amount(char *buffer, size_t size, uint64_t value, unsigned unit)
{
	double amount = (double)value / (double)(1ULL << (10U * unit));

	return snprintf(buffer, size, unit > 0 && amount < 100 ? "%.1f" : "%.0f", amount);
}

static int print_left(char *buffer, size_t size, uint64_t seconds)
{
	if (seconds < 100)
		return snprintf(buffer, size, ", %" PRIu64 " s left", seconds);
	if (seconds < 6000)
		return snprintf(buffer, size, ", %" PRIu64 " min left", (seconds + 30) / 60);
	return snprintf(buffer, size, ", %" PRIu64 " h left", (seconds + 1800) / 3600);
}

static unsigned percent(const struct progress *progress)
{
	double part = 100.0 * (double)progress->done / (double)progress->total;

	return progress->done >= progress->total ? 100 : (unsigned)part;
}

void progress_sample(struct progress *progress, int64_t now)
{
	struct progress_sample sample = { .at = now, .done = progress->done };

	if (progress->n_samples == PROGRESS_SAMPLES) {
		memmove(progress->samples, progress->samples + 1,
			sizeof(sample) * (PROGRESS_SAMPLES - 1));
		progress->n_samples--;
	}
	progress->samples[progress->n_samples++] = sample;
}

uint64_t progress_rate(const struct progress *progress, int64_t now)
{
	const struct progress_sample *first = progress->samples;

	if (progress->n_samples == 0 || now - first->at < 500 || progress->done <= first->done)
		return 0;
	return (uint64_t)((double)(progress->done - first->done) * 1000 /
			  (double)(now - first->at));
}

/** print_rest() - Rate and time left, each where it is known. */
static void print_rest(const struct progress *progress, int64_t now, size_t size, char *text)
{
	uint64_t rate = progress_rate(progress, now);
	size_t length = 0;

	text[0] = '\0';
	if (!rate)
		return;
	if (progress->bytes) {
		unsigned unit = unit_of(rate);

		length = (size_t)snprintf(text, size, ", ");
		length += (size_t)print_amount(text + length, size - length, rate, unit);
		length += (size_t)snprintf(text + length, size - length, " %s/s", units[unit]);
	}
	if (progress->total > progress->done)
		print_left(text + length, size - length, (progress->total - progress->done) / rate);
}

void progress_text(const struct progress *progress, int64_t now, size_t size, char *ret_line)
{
	unsigned unit = unit_of(progress->total ? progress->total : progress->done);
	char done[32], total[32], rest[96];

	print_amount(done, sizeof(done), progress->done, unit);
	print_amount(total, sizeof(total), progress->total, unit);
	print_rest(progress, now, sizeof(rest), rest);
	if (!progress->total)
		snprintf(ret_line, size, "%s: %s %s%s", progress->what, done, units[unit], rest);
	else if (progress->bytes)
		snprintf(ret_line, size, "%s: %u %%, %s of %s %s%s", progress->what,
			 percent(progress), done, total, units[unit], rest);
	else
		snprintf(ret_line, size, "%s: %u %%%s", progress->what, percent(progress), rest);
}

void progress_bar(const struct progress *progress, int64_t now, unsigned columns, size_t size,
		  char *ret_line)
{
	char rest[96], bar[41];
	size_t width = sizeof(bar) - 1, full;

	/* The words take about fifty columns. */
	if (!progress->total || columns < 60) {
		progress_text(progress, now, size, ret_line);
	} else {
		if (columns < 60 + width)
			width = columns - 60;
		full = width * percent(progress) / 100;
		memset(bar, ' ', width);
		memset(bar, '=', full);
		bar[width] = '\0';
		if (full < width)
			bar[full] = '>';
		print_rest(progress, now, sizeof(rest), rest);
		snprintf(ret_line, size, "%s [%s] %3u %%%s", progress->what, bar, percent(progress),
			 rest);
	}
	if (columns > 0 && columns < size)
		ret_line[columns] = '\0';
}
