#include "netfw/print.h"

#include <arpa/inet.h>

void print_element(const struct ruleset *ruleset, const struct map *map,
		   const struct plan_element *element, FILE *out)
{
	const void *guest = map->family == AF_INET ? (const void *)&ruleset->guest
						   : &ruleset->guest6;
	char address[INET6_ADDRSTRLEN];

	fprintf(out, "%s . %u", element->proto == IPPROTO_TCP ? "tcp" : "udp", element->first);
	if (map->ranges)
		fprintf(out, "-%u", element->last);
	fprintf(out, " : %s", inet_ntop(map->family, guest, address, sizeof(address)));
	if (!map->ranges)
		fprintf(out, " . %u", element->guest);
}

static void print_map(const struct ruleset *ruleset, const struct map *map, FILE *out)
{
	const struct plan_element *elements;
	size_t n = ruleset_elements(ruleset, map, &elements);

	fprintf(out, "\tmap %s {\n\t\ttype inet_proto . inet_service : %s%s\n", map->name,
		map->family == AF_INET ? "ipv4_addr" : "ipv6_addr",
		map->ranges ? "" : " . inet_service");
	if (map->ranges)
		fprintf(out, "\t\tflags interval\n");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, i ? ",\n\t\t\t     " : "\t\telements = { ");
		print_element(ruleset, map, &elements[i], out);
	}
	fprintf(out, "%s\t}\n\n", n ? " }\n" : "");
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
	fprintf(out, "table inet %s {\n", ruleset->table);
	for (size_t i = 0; i < ruleset->n_maps; i++)
		print_map(ruleset, &ruleset->maps[i], out);
	for (size_t i = 0; i < ruleset->n_chains; i++) {
		if (i)
			fprintf(out, "\n");
		print_chain(ruleset, i, out);
	}
	fprintf(out, "}\n");
}
