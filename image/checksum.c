/* nettle: libarchive and GnuTLS are linked with it, so it costs nothing more. */
#include "image/checksum.h"

#include <errno.h>
#include <nettle/nettle-meta.h>
#include <strings.h>

struct checksum {
	const struct nettle_hash *hash;
	void *context;
	uint8_t wanted[CHECKSUM_MAX_BYTES];
};

static const struct {
	const char *name, *other_name;
	const struct nettle_hash *hash;
} types[] = {
	{ "md5", "md5", &nettle_md5 },		 { "sha1", "sha-1", &nettle_sha1 },
	{ "sha256", "sha-256", &nettle_sha256 }, { "sha384", "sha-384", &nettle_sha384 },
	{ "sha512", "sha-512", &nettle_sha512 },
};

static const struct nettle_hash *find_hash(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcasecmp(type, types[i].name) == 0 ||
		    strcasecmp(type, types[i].other_name) == 0)
			return types[i].hash;
	}
	return NULL;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/** read_hex() - Exactly @n bytes. */
static bool read_hex(const char *text, uint8_t *bytes, size_t n)
{
	if (strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int checksum_new(const char *type, const char *wanted, struct checksum **ret_checksum)
{
	const struct nettle_hash *hash = find_hash(type);
	struct checksum *checksum;

	if (!hash)
		return -ENOTSUP;
	checksum = calloc(1, sizeof(*checksum));
	if (checksum)
		checksum->context = malloc(hash->context_size);
	if (!checksum || !checksum->context) {
		checksum_free(checksum);
		return -ENOMEM;
	}
	checksum->hash = hash;
	if (!read_hex(wanted, checksum->wanted, hash->digest_size)) {
		checksum_free(checksum);
		return -EINVAL;
	}
	checksum_restart(checksum);
	*ret_checksum = checksum;
	return 0;
}

void checksum_restart(struct checksum *checksum)
{
	checksum->hash->init(checksum->context);
}

void checksum_add(struct checksum *checksum, const void *bytes, size_t n)
{
	checksum->hash->update(checksum->context, n, bytes);
}

bool checksum_matches(struct checksum *checksum, char *ret_hex)
{
	uint8_t digest[CHECKSUM_MAX_BYTES];
	size_t n = checksum->hash->digest_size;

	checksum->hash->digest(checksum->context, n, digest);
	for (size_t i = 0; i < n; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
	return memcmp(digest, checksum->wanted, n) == 0;
}

void checksum_free(struct checksum *checksum)
{
	if (!checksum)
		return;
	free(checksum->context);
	free(checksum);
}
