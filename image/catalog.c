/*
 * A catalogue is {"versions": [{"version", "status", "providers": [{"name", "url", "checksum_type",
 * "checksum", "architecture"}]}]}. Versions that were revoked, and boxes for another processor, are
 * as if they did not exist.
 */
#include "image/catalog.h"

#include "image/version.h"

#include <errno.h>
#include <jansson.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is_ours(const json_t *provider)
{
	const char *architecture = text_of(provider, "architecture");

	return !*architecture || streq(architecture, "amd64") || streq(architecture, "x86_64") ||
	       streq(architecture, "unknown");
}

/** find_provider() - The box for libvirt of one version; NULL: there is none. */
static const json_t *find_provider(const json_t *version)
{
	const json_t *providers = json_object_get(version, "providers"), *found = NULL;

	for (size_t i = 0; i < json_array_size(providers); i++) {
		const json_t *provider = json_array_get(providers, i);

		if (!streq(text_of(provider, "name"), "libvirt") || !is_ours(provider))
			continue;
		/* One that says it is for this processor is better than one that says nothing. */
		if (!found || streq(text_of(provider, "architecture"), "amd64"))
			found = provider;
	}
	return found;
}

static bool is_active(const json_t *version)
{
	const char *status = text_of(version, "status");

	return *text_of(version, "version") && (!*status || streq(status, "active"));
}

/** find_version() - The newest one, or the one that is @wanted; NULL: there is none. */
static const json_t *find_version(const json_t *versions, const char *wanted)
{
	const json_t *best = NULL;

	for (size_t i = 0; i < json_array_size(versions); i++) {
		const json_t *version = json_array_get(versions, i);
		const char *number = text_of(version, "version");

		if (!is_active(version))
			continue;
		if (wanted ? version_compare(number, wanted) != 0 : !find_provider(version))
			continue;
		if (!best || version_compare(number, text_of(best, "version")) > 0)
			best = version;
	}
	return best;
}

/** list() - A few texts of an array of objects, for a message. */
static const char *list(const json_t *array, const char *key, char *buffer, size_t size)
{
	size_t length = 0;

	snprintf(buffer, size, "none");
	for (size_t i = 0; i < json_array_size(array) && length < size; i++)
		length += (size_t)snprintf(buffer + length, size - length, "%s%.40s",
					   length ? ", " : "",
					   text_of(json_array_get(array, i), key));
	return buffer;
}

/** copy() - Return: whether it fits. */
static bool copy(char *to, size_t size, const char *text)
{
	return (size_t)snprintf(to, size, "%s", text) < size;
}

static int take(const json_t *version, const json_t *provider, const char *name,
		struct catalog_choice *ret_choice, struct failure *failure)
{
	struct catalog_choice choice = { .version = "" };

	if (!copy(choice.version, sizeof(choice.version), text_of(version, "version")) ||
	    !copy(choice.url, sizeof(choice.url), text_of(provider, "url")) ||
	    !copy(choice.checksum_type, sizeof(choice.checksum_type),
		  text_of(provider, "checksum_type")) ||
	    !copy(choice.checksum, sizeof(choice.checksum), text_of(provider, "checksum")) ||
	    !*choice.url)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: what it says about version %.40s is not usable: its URL is "
				   "missing, or a text in it is too long",
				   name, text_of(version, "version"));
	if (!*choice.checksum)
		choice.checksum_type[0] = '\0';
	*ret_choice = choice;
	return 0;
}

static int choose(const json_t *root, const char *wanted, const char *name,
		  struct catalog_choice *ret_choice, struct failure *failure)
{
	const json_t *versions = json_object_get(root, "versions"), *version, *provider;
	char others[200];

	if (!json_is_array(versions))
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: is not the catalogue of a box: it lists no versions", name);
	version = find_version(versions, wanted);
	if (!version && wanted)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: there is no version %.40s; there are: %s", name, wanted,
				   list(versions, "version", others, sizeof(others)));
	if (!version)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: no version of this box is for libvirt and this processor: "
				   "look for another box",
				   name);
	provider = find_provider(version);
	if (!provider)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: version %.40s is not there for libvirt and this "
				   "processor; it is for: %s",
				   name, wanted,
				   list(json_object_get(version, "providers"), "name", others,
					sizeof(others)));
	return take(version, provider, name, ret_choice, failure);
}

int catalog_choose(const char *text, size_t n, const char *version, const char *name,
		   struct catalog_choice *ret_choice, struct failure *failure)
{
	json_error_t error;
	json_t *root = json_loadb(text, n, 0, &error);
	int result;

	if (!root)
		return failure_set(failure, EXIT_CONFIG, -EINVAL,
				   "%s: is not the catalogue of a box: it is not JSON (%s)", name,
				   error.text);
	result = choose(root, version, name, ret_choice, failure);
	json_decref(root);
	return result;
}
