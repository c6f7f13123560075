#include "netfw/difference.h"

#include "lib/util.h"

#include <linux/netfilter/nf_tables.h>

/** compare_keys() - As plan_compare(), but where an element comes from does not count. */
static int compare_keys(const struct plan_element *a, const struct plan_element *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

/** differ() - What has to be removed from @present and added to it, so that it becomes @wanted. */
static int differ(const struct plan_list *present, const struct plan_list *wanted,
		  struct plan_list *removed, struct plan_list *added)
{
	size_t i = 0, k = 0;
	int r = 0;

	removed->n = added->n = 0;
	while ((i < present->n || k < wanted->n) && r == 0) {
		const struct plan_element *old = &present->element[i], *new = &wanted->element[k];
		int order = i == present->n ? 1 : k == wanted->n ? -1 : compare_keys(old, new);
		bool same = order == 0 && old->last == new->last && old->guest == new->guest;

		if (order <= 0 && !same)
			r = plan_push(removed, old);
		if (order >= 0 && !same && r == 0)
			r = plan_push(added, new);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/** differ_counts() - The same for counters; their values do not count. */
static int differ_counts(const struct count_list *present, const struct count_list *wanted,
			 struct count_list *removed, struct count_list *added)
{
	size_t i = 0, k = 0;
	int r = 0;

	removed->n = added->n = 0;
	while ((i < present->n || k < wanted->n) && r == 0) {
		const struct count_element *old = &present->element[i], *new = &wanted->element[k];
		int order = i == present->n ? 1 : k == wanted->n ? -1 : count_compare(old, new);

		if (order < 0)
			r = count_push(removed, old);
		else if (order > 0)
			r = count_push(added, new);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

int difference_make(struct difference *difference, const struct ruleset *wanted,
		    const struct present *present)
{
	int r = differ_counts(present->ranges, &wanted->counts->ranges, &difference->ranges_removed,
			      &difference->ranges_added);

	difference->n = difference->ranges_removed.n + difference->ranges_added.n;
	for (size_t i = 0; i < wanted->n_sets && r == 0; i++) {
		if (!set_is_map(&wanted->sets[i]))
			continue;
		r = differ(present->maps[i], ruleset_map(wanted, &wanted->sets[i]),
			   &difference->removed[i], &difference->added[i]);
		difference->n += difference->removed[i].n + difference->added[i].n;
	}
	return r;
}

void difference_encode(const struct difference *difference, const struct ruleset *wanted,
		       struct batch *batch)
{
	static const uint16_t types[] = { NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM };

	for (size_t k = 0; k < ARRAY_SIZE(types); k++) {
		bool add = types[k] == NFT_MSG_NEWSETELEM;
		const struct plan_list *lists = add ? difference->added : difference->removed;
		const struct count_list *ranges =
			add ? &difference->ranges_added : &difference->ranges_removed;

		for (size_t i = 0; i < wanted->n_sets; i++) {
			const struct set *set = &wanted->sets[i];

			if (set_is_map(set))
				encode_elements(batch, wanted, set, types[k], lists[i].element,
						lists[i].n);
			else if (set_has_ranges(set))
				encode_counts(batch, wanted, set, types[k], ranges->element,
					      ranges->n);
		}
	}
}

void difference_clear(struct difference *difference)
{
	for (size_t i = 0; i < RULESET_MAX_SETS; i++) {
		free(difference->added[i].element);
		free(difference->removed[i].element);
	}
	free(difference->ranges_added.element);
	free(difference->ranges_removed.element);
	*difference = (struct difference){ 0 };
}
