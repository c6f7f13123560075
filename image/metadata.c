/*
 * vagrant-libvirt knows two forms: the older one has a single disk, box.img, whose size and format
 * stand at the top; the newer one lists `disks`, each with a path, a size and a format. Sizes are
 * in GiB.
 */
#include "image/metadata.h"

#include "image/member.h"

#include <errno.h>
#include <jansson.h>

#define OLD_DISK "box.img"
#define MAX_GIB (1 << 20) /* one PiB */

/** text_of() - A string of an object; NULL: there is none. */
static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/** read_size() - virtual_size in bytes, rounded up to GiB; boxes have it as a number or a text. */
static int read_size(const json_t *object, const char *box, uint64_t *ret_size,
		     struct failure *failure)
{
	const json_t *value = json_object_get(object, "virtual_size");
	double size = json_number_value(value);
	uint64_t whole;

	if (json_is_string(value))
		size = strtod(json_string_value(value), NULL);
	*ret_size = 0;
	if (!value || json_is_null(value))
		return 0;
	if (!(size > 0 && size <= MAX_GIB))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: the virtual_size in its " METADATA_FILE
				   " is no size in GiB: the box is damaged, get another one",
				   box);
	whole = (uint64_t)size;
	*ret_size = (whole + ((double)whole < size)) << 30;
	return 0;
}

static int check_format(const json_t *object, const char *box, struct failure *failure)
{
	const char *format = text_of(object, "format");

	if (!format || streq(format, "qcow2"))
		return 0;
	return failure_set(failure, EXIT_CONFIG, -EINVAL,
			   "%s: its disk has the format %.40s, but a box for libvirt has qcow2: "
			   "unpack it with tar, and import the disk by itself",
			   box, format);
}

/** read_disks() - The newer form. */
static int read_disks(const json_t *disks, const char *box, struct metadata *metadata,
		      struct failure *failure)
{
	const json_t *disk = json_array_get(disks, 0);
	const char *path = text_of(disk, "path");
	int result;

	if (json_array_size(disks) != 1)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: it has %zu disks, and a guest here has one: unpack it with "
				   "tar, and import the one to boot from by itself",
				   box, json_array_size(disks));
	if (!path || strlen(path) >= sizeof(metadata->disk) || !*member_name(path) ||
	    member_leads_out(path))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: its " METADATA_FILE
				   " does not name the disk by a path inside of the box: the box "
				   "is damaged, get another one",
				   box);
	snprintf(metadata->disk, sizeof(metadata->disk), "%s", member_name(path));
	result = check_format(disk, box, failure);
	return result ? result : read_size(disk, box, &metadata->virtual_size, failure);
}

static int read_root(const json_t *root, const char *box, struct metadata *metadata,
		     struct failure *failure)
{
	const char *provider = text_of(root, "provider");
	const json_t *disks = json_object_get(root, "disks");
	int result;

	if (!provider)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: its " METADATA_FILE
				   " names no provider: it is no Vagrant box, or a damaged one",
				   box);
	if (!streq(provider, "libvirt"))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: it is a box for %.40s: get the one for libvirt, or unpack "
				   "it with tar and import the disk by itself",
				   box, provider);
	result = check_format(root, box, failure);
	if (result)
		return result;
	/* An empty list means the older form, as it does to vagrant-libvirt. */
	if (json_array_size(disks) > 0)
		return read_disks(disks, box, metadata, failure);
	snprintf(metadata->disk, sizeof(metadata->disk), OLD_DISK);
	return read_size(root, box, &metadata->virtual_size, failure);
}

int metadata_parse(const char *text, size_t n, const char *box, struct metadata *ret_metadata,
		   struct failure *failure)
{
	struct metadata metadata = { .virtual_size = 0 };
	json_error_t error;
	json_t *root = json_loadb(text, n, 0, &error);
	int result;

	if (!root)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: its " METADATA_FILE
				   " is not JSON (%s): the box is damaged, get another one",
				   box, error.text);
	result = read_root(root, box, &metadata, failure);
	if (result == 0)
		*ret_metadata = metadata;
	json_decref(root);
	return result;
}
