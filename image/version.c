#include "image/version.h"

#include "lib/util.h"

#include <ctype.h>

/* A run of digits, without the zeros in front, or of letters. */
struct run {
	const char *begin;
	size_t length;
	bool word;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) != 0;
}

/** next_run() - Take the next run off @text. A text that has ended goes on with zeros. */
static struct run next_run(const char **text)
{
	struct run run = { .begin = "", .length = 0, .word = false };
	const char *at = *text;

	while (*at && !is_digit(*at) && !is_letter(*at))
		at++;
	run.word = is_letter(*at);
	while (*at == '0')
		at++;
	run.begin = at;
	while (run.word ? is_letter(*at) : is_digit(*at))
		at++;
	run.length = (size_t)(at - run.begin);
	*text = at;
	return run;
}

static int compare_runs(const struct run *a, const struct run *b)
{
	size_t shorter = a->length < b->length ? a->length : b->length;
	int result;

	if (a->word != b->word)
		return a->word ? -1 : 1;
	if (!a->word && a->length != b->length)
		return a->length < b->length ? -1 : 1;
	result = strncmp(a->begin, b->begin, shorter);
	if (result || a->length == b->length)
		return result;
	return a->length < b->length ? -1 : 1;
}

int version_compare(const char *a, const char *b)
{
	int result = 0;

	while (result == 0 && (*a || *b)) {
		struct run x = next_run(&a), y = next_run(&b);

		result = compare_runs(&x, &y);
	}
	return result;
}
