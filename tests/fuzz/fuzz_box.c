/*
 * What comes with a box, from anybody on the network: its metadata, its catalogue, its checksum, the names of its members,
 * versions, and the beginning of what may be a disk.
 */
#include "fuzz.h"

#include "image/catalog.h"
#include "image/member.h"
#include "image/metadata.h"
#include "image/source.h"
#include "image/version.h"

#include <errno.h>
#include <sys/stat.h>

static bool is_text(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

static void read_metadata(const char *text, size_t size)
{
	struct metadata metadata = { .disk = "?" };
	struct failure failure = { .text = "" };
	int result = metadata_parse(text, size, "box", &metadata, &failure);

	PROMISE(result == 0 || result == -EINVAL);
	PROMISE((result == 0) == (failure.text[0] == '\0'));
	if (result)
		return;
	PROMISE(is_text(metadata.disk, sizeof(metadata.disk)) && metadata.disk[0]);
	PROMISE(!member_leads_out(metadata.disk));
	PROMISE(metadata.virtual_size % (1 << 30) == 0 && metadata.virtual_size <= 1ULL << 50);
}

static void read_catalog(const char *text, size_t size, const char *version)
{
	struct catalog_choice choice;
	struct failure failure = { .text = "" };
	struct checksum *checksum;
	int result = catalog_choose(text, size, version, "catalogue", &choice, &failure);

	PROMISE(result == 0 || result == -EINVAL);
	PROMISE((result == 0) == (failure.text[0] == '\0'));
	if (result)
		return;
	PROMISE(is_text(choice.version, sizeof(choice.version)) && choice.version[0]);
	PROMISE(is_text(choice.url, sizeof(choice.url)) && choice.url[0]);
	PROMISE(is_text(choice.checksum_type, sizeof(choice.checksum_type)));
	PROMISE(is_text(choice.checksum, sizeof(choice.checksum)));
	PROMISE(!version || version_compare(choice.version, version) == 0);
	if (checksum_new(choice.checksum_type, choice.checksum, &checksum) == 0)
		checksum_free(checksum);
}

/** compare() - An order has no surprises. */
static void compare(const char *text)
{
	const char *second = strchr(text, '\n');
	autofree char *first = strndup(text, second ? (size_t)(second - text) : strlen(text));

	second = second ? second + 1 : "";
	PROMISE(version_compare(text, text) == 0);
	PROMISE((version_compare(first, second) < 0) == (version_compare(second, first) > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = malloc(size + 1);
	static const uint8_t tail[512];
	enum source_kind kind;
	const char *format, *reason;
	struct failure failure;

	PROMISE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	read_metadata(text, size);
	read_catalog(text, size, NULL);
	read_catalog(text, size, "1.0");
	compare(text);
	reason = member_refusal(text, S_IFREG, false);
	PROMISE((reason != NULL) == member_leads_out(text));
	PROMISE(!member_leads_out(text) || strstr(text, "..") || text[0] == '/');
	source_kind_of(data, size, size < sizeof(tail) ? tail : data + size - sizeof(tail), size, "source", &kind, &format,
		       &failure);
	return 0;
}
