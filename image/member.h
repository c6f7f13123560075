/* Names and kinds of an archive's members: what a box may have. Pure; everything is untrusted. */
#pragma once

#include "lib/util.h"

#include <sys/types.h>

/** member_name() - Without the `./` in front that tar likes. */
const char *member_name(const char *path);

/** member_leads_out() - Is the path absolute, or does it climb? */
bool member_leads_out(const char *path);

/**
 * member_refusal() - May a box have such a member?
 * @path: as it stands in the archive; NULL: it cannot be read
 * @type: S_IFREG and so on; 0: unknown
 * @is_link: a hard link, which has no type of its own
 *
 * Return: NULL, or why not, as the end of a sentence.
 */
const char *member_refusal(const char *path, mode_t type, bool is_link);
