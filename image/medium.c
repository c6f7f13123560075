/*
 * Volume descriptors are in the sectors from 16 on, ECMA-119 6.2.1: those of ISO 9660, those that
 * lead to UDF (ECMA-167 2/9.1.1), or both. Their names begin at the second byte.
 */
#include "image/medium.h"

#include "lib/image.h"
#include "lib/util.h"

#define SECTOR 2048UL
#define DESCRIPTORS 16

static bool is_medium(const uint8_t *head, size_t n)
{
	for (size_t at = DESCRIPTORS * SECTOR; at + 6 <= n; at += SECTOR) {
		if (memcmp(head + at + 1, "CD001", 5) == 0 ||
		    memcmp(head + at + 1, "BEA01", 5) == 0)
			return true;
	}
	return false;
}

const char *medium_refusal(const uint8_t *head, size_t n)
{
	enum image_kind kind = image_kind(head, n);
	struct image image;
	const char *reason;

	if (is_medium(head, n))
		return NULL;
	if (kind == IMAGE_KIND_QCOW2)
		return "is a qcow2 image of a disk, not of a CD or DVD: if Windows is on it, name "
		       "it with [guest] disk";
	/* For what has another form than a disk's, this says which. */
	if (kind != IMAGE_KIND_UNKNOWN && image_identify(head, n, n, &image, &reason))
		return reason;
	return "is no image of a CD or DVD: it has neither ISO 9660's nor UDF's descriptors; it "
	       "may "
	       "be a download that broke off";
}
