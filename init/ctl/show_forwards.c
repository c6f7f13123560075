/*
 * The columns are as wide as their widest cell, so every cell is made twice: once to be measured,
 * once to be printed. That needs no memory for ten thousand lines.
 */
#include "init/ctl/show_forwards.h"

#include "init/ctl/value.h"

#include <string.h>

enum column { PLACE, PACKETS_IN, BYTES_IN, PACKETS_OUT, BYTES_OUT, N_COLUMNS };

#define CELL_MAX 128

static const char *cell(const json_t *forward, enum column column, char buffer[static CELL_MAX])
{
	static const char *const keys[N_COLUMNS] = { NULL, "packets_in", "bytes_in", "packets_out",
						     "bytes_out" };

	if (column == PLACE)
		snprintf(buffer, CELL_MAX, "%s/%s -> %s", text_of(forward, "listen"),
			 text_of(forward, "proto"), text_of(forward, "guest"));
	else
		amount(number_of(forward, keys[column]),
		       column == BYTES_IN || column == BYTES_OUT ? " " : "", buffer, CELL_MAX);
	return buffer;
}

static void show_forward(FILE *out, const json_t *forward, const int widths[static N_COLUMNS])
{
	char text[N_COLUMNS][CELL_MAX];

	for (int i = 0; i < N_COLUMNS; i++)
		cell(forward, (enum column)i, text[i]);
	fprintf(out, " %-*s   in %*s pkts %*sB   out %*s pkts %*sB\n", widths[PLACE], text[PLACE],
		widths[PACKETS_IN], text[PACKETS_IN], widths[BYTES_IN], text[BYTES_IN],
		widths[PACKETS_OUT], text[PACKETS_OUT], widths[BYTES_OUT], text[BYTES_OUT]);
}

void show_forwards(FILE *out, const json_t *status)
{
	const json_t *forwards = json_object_get(status, "forwards"), *forward;
	long long repairs = number_of(json_object_get(status, "network"), "repairs");
	int widths[N_COLUMNS] = { 0 };
	char text[CELL_MAX];
	size_t i;

	json_array_foreach(forwards, i, forward)
	{
		for (int column = 0; column < N_COLUMNS; column++) {
			int length = (int)strlen(cell(forward, (enum column)column, text));

			widths[column] = length > widths[column] ? length : widths[column];
		}
	}
	json_array_foreach(forwards, i, forward)
	{
		fprintf(out, "%-10s", i ? "" : "forwards");
		show_forward(out, forward, widths);
	}
	if (number_of(status, "forwards_omitted"))
		fprintf(out, "%-10s and %lld more\n", i ? "" : "forwards",
			number_of(status, "forwards_omitted"));
	if (repairs)
		fprintf(out, "repairs    %lld change%s of the rules by others put right\n", repairs,
			repairs == 1 ? "" : "s");
}
