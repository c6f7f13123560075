#include "netfw/print.h"

#include <arpa/inet.h>
#include <inttypes.h>

/* Between two elements of a list that begins with "elements = { ". */
#define SEPARATOR ",\n\t\t\t     "

static void print_element(const struct ruleset *ruleset, const struct set *map,
			  const struct plan_element *element, FILE *out)
{
	const void *guest =
		map->family == AF_INET ? (const void *)&ruleset->key.guest : &ruleset->key.guest6;
	char address[INET6_ADDRSTRLEN];

	fprintf(out, "%s . %u", plan_proto_name(element->proto), element->first);
	if (set_has_ranges(map))
		fprintf(out, "-%u", element->last);
	fprintf(out, " : %s", inet_ntop(map->family, guest, address, sizeof(address)));
	if (!set_has_ranges(map))
		fprintf(out, " . %u", element->guest);
}

static void print_map(const struct ruleset *ruleset, const struct set *map, FILE *out)
{
	const struct plan_list *elements = ruleset_map(ruleset, map);

	fprintf(out, "\tmap %s {\n\t\ttype inet_proto . inet_service : %s%s\n", map->name,
		map->family == AF_INET ? "ipv4_addr" : "ipv6_addr",
		set_has_ranges(map) ? "" : " . inet_service");
	if (set_has_ranges(map))
		fprintf(out, "\t\tflags interval\n");
	for (size_t i = 0; i < elements->n; i++) {
		fprintf(out, i ? SEPARATOR : "\t\telements = { ");
		print_element(ruleset, map, &elements->element[i], out);
	}
	fprintf(out, "%s\t}\n\n", elements->n ? " }\n" : "");
}

static void print_counts(const struct ruleset *ruleset, const struct set *set, FILE *out)
{
	const struct count_list *counts = ruleset_counts(ruleset, set);

	fprintf(out, "\tset %s {\n\t\ttype ct_dir . inet_proto . inet_service\n", set->name);
	if (set_has_ranges(set))
		fprintf(out, "\t\tflags interval\n\t\tcounter\n");
	else
		fprintf(out, "\t\tsize %u\n\t\tflags dynamic\n", RULESET_COUNT_PORTS_SIZE);
	for (size_t i = 0; i < counts->n; i++) {
		const struct count_element *element = &counts->element[i];

		fprintf(out, "%s%s . %s . %u", i ? SEPARATOR : "\t\telements = { ",
			element->direction == COUNT_ORIGINAL ? "original" : "reply",
			plan_proto_name(element->proto), element->first);
		if (set_has_ranges(set))
			fprintf(out, "-%u", element->last);
		fprintf(out, " counter packets %" PRIu64 " bytes %" PRIu64, element->packets,
			element->bytes);
	}
	fprintf(out, "%s\t}\n\n", counts->n ? " }\n" : "");
}

static void print_chain(const struct ruleset *ruleset, size_t index, FILE *out)
{
	const struct chain *chain = &ruleset->chains[index];

	fprintf(out, "\tchain %s {\n", chain->name);
	if (chain->type)
		fprintf(out, "\t\ttype %s hook %s priority %s; policy accept;\n", chain->type,
			chain->hook, chain->priority_text);
	for (size_t i = 0; i < ruleset->n_rules; i++) {
		if (ruleset->rules[i].chain == index)
			fprintf(out, "\t\t%s\n", ruleset->rules[i].rule.text);
	}
	fprintf(out, "\t}\n");
}

void print_ruleset(const struct ruleset *ruleset, FILE *out)
{
	fprintf(out, "table inet %s {\n", ruleset->key.table);
	for (size_t i = 0; i < ruleset->n_sets; i++) {
		if (set_is_map(&ruleset->sets[i]))
			print_map(ruleset, &ruleset->sets[i], out);
		else
			print_counts(ruleset, &ruleset->sets[i], out);
	}
	for (size_t i = 0; i < ruleset->n_chains; i++) {
		if (i)
			fprintf(out, "\n");
		print_chain(ruleset, i, out);
	}
	fprintf(out, "}\n");
}
