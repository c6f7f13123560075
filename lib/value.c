#include "lib/value.h"

#include "lib/util.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>

/*
 * Decimal digits only: strtoul would take signs and leading spaces. The rest of the text is left to
 * the caller.
 */
static bool read_digits(const char **text, uint64_t limit, uint64_t *ret_value)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > limit)
			return false;
	}
	*text = at;
	*ret_value = value;
	return true;
}

const char *value_unsigned(const char *text, unsigned min, unsigned max, unsigned *ret_value)
{
	uint64_t value;

	if (!read_digits(&text, max, &value) || *text || value < min)
		return "is not a number in range";
	*ret_value = (unsigned)value;
	return NULL;
}

const char *value_oom_score(const char *text, int *ret_value)
{
	bool negative = *text == '-';
	unsigned value;
	const char *reason = value_unsigned(text + negative, 0, 1000, &value);

	if (reason)
		return "is not a number from -1000 to 1000";
	*ret_value = negative ? -(int)value : (int)value;
	return NULL;
}

const char *value_bool(const char *text, bool *ret_value)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret_value = i & 1;
			return NULL;
		}
	}
	return "is neither yes nor no";
}

const char *value_duration(const char *text, unsigned *ret_ms)
{
	static const struct {
		const char *name;
		unsigned ms;
	} units[] = { { "", 1000 },	  { "s", 1000 },	{ "ms", 1 },
		      { "m", 60 * 1000 }, { "min", 60 * 1000 }, { "h", 3600 * 1000 } };
	uint64_t value;

	if (!read_digits(&text, INT_MAX, &value))
		return "is not a duration such as 90s, 500ms, 2m or 1h";
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!streq(text, units[i].name))
			continue;
		if (value * units[i].ms > INT_MAX)
			return "is longer than 24 days";
		*ret_ms = (unsigned)(value * units[i].ms);
		return NULL;
	}
	return "has an unknown unit of time: use ms, s, m or h";
}

const char *value_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	uint64_t value;
	const char *unit;
	unsigned shift;

	if (!read_digits(&text, UINT64_MAX >> 20, &value))
		return "is not a size such as 512M or 4G";
	if (!*text)
		return "has no unit: write 512M or 4G";
	unit = strchr(units, toupper((unsigned char)*text));
	if (!unit || !(streq(text + 1, "") || strcasecmp(text + 1, "B") == 0 ||
		       strcasecmp(text + 1, "iB") == 0))
		return "has an unknown unit: use K, M, G or T";
	shift = 10 * (unsigned)(unit - units + 1);
	if (value > UINT64_MAX >> shift)
		return "is too large";
	*ret_bytes = value << shift;
	return NULL;
}

const char *value_choice(const char *text, const char *const choices[], unsigned *ret_index)
{
	for (unsigned i = 0; choices[i]; i++) {
		if (streq(text, choices[i])) {
			*ret_index = i;
			return NULL;
		}
	}
	return "is none of the choices";
}

const char *value_signal(const char *text, int *ret_signal)
{
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	unsigned number;

	if (!value_unsigned(name, 1, (unsigned)SIGRTMAX, &number)) {
		*ret_signal = (int)number;
		return NULL;
	}
	if (strncmp(name, "RTMIN", 5) == 0) {
		if (!name[5])
			number = 0;
		else if (name[5] != '+' ||
			 value_unsigned(name + 6, 0, (unsigned)(SIGRTMAX - SIGRTMIN), &number))
			return "is not a signal";
		*ret_signal = SIGRTMIN + (int)number;
		return NULL;
	}
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *known = sigabbrev_np(i);

		if (known && streq(known, name)) {
			*ret_signal = i;
			return NULL;
		}
	}
	return "is not a signal such as TERM, QUIT or RTMIN+3";
}

const char *value_mode(const char *text, mode_t *ret_mode)
{
	mode_t mode = 0;

	if (!*text || strlen(text) > 4 || strspn(text, "01234567") != strlen(text))
		return "is not an octal mode such as 0660";
	for (; *text; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	if (mode > 0777)
		return "is not an octal mode from 0 to 0777";
	*ret_mode = mode;
	return NULL;
}

const char *value_codes(const char *text, uint32_t ret_codes[static 8])
{
	uint32_t codes[8] = { 0 };
	uint64_t code;

	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		if (!read_digits(&text, 255, &code) || (*text && !strchr(" ,", *text)))
			return "is not a list of exit codes from 0 to 255";
		codes[code / 32] |= UINT32_C(1) << (code % 32);
	}
	memcpy(ret_codes, codes, sizeof(codes));
	return NULL;
}

const char *value_address(const char *text, struct in_addr *ret_address)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return "is not an IPv4 address";
	*ret_address = address;
	return NULL;
}

const char *value_subnet(const char *text, struct subnet *ret_subnet)
{
	struct subnet subnet = { .fixed = true };
	const char *slash = strchr(text, '/');
	autofree char *address = NULL;
	unsigned prefix;

	if (streq(text, "auto")) {
		inet_pton(AF_INET, "192.168.121.0", &subnet.address);
		subnet.prefix = 24;
		subnet.fixed = false;
		*ret_subnet = subnet;
		return NULL;
	}
	if (!slash)
		return "is neither auto nor a subnet such as 192.168.121.0/24";
	address = strndup(text, (size_t)(slash - text));
	if (!address || value_address(address, &subnet.address))
		return "is neither auto nor a subnet such as 192.168.121.0/24";
	if (value_unsigned(slash + 1, 8, 29, &prefix))
		return "has no prefix length from /8 to /29";
	if (ntohl(subnet.address.s_addr) & (UINT32_MAX >> prefix))
		return "has bits set behind its prefix: give the network's own address";
	subnet.prefix = (uint8_t)prefix;
	*ret_subnet = subnet;
	return NULL;
}

const char *value_mac(const char *text, uint8_t ret_mac[static 6])
{
	uint8_t mac[6];

	if (strlen(text) != 17)
		return "is not an Ethernet address such as 52:54:00:12:34:56";
	for (size_t i = 0; i < 6; i++, text += 3) {
		char byte[3] = { text[0], text[1], 0 };

		if (!isxdigit((unsigned char)byte[0]) || !isxdigit((unsigned char)byte[1]) ||
		    (i < 5 && text[2] != ':'))
			return "is not an Ethernet address such as 52:54:00:12:34:56";
		mac[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	if (mac[0] & 1)
		return "is a multicast address: the first byte must be even";
	memcpy(ret_mac, mac, sizeof(mac));
	return NULL;
}

const char *value_path(const char *text)
{
	return *text == '/' ? NULL : "is not an absolute path";
}

const char *value_words(const char *text, struct strlist *list)
{
	static const char separators[] = " \t,";

	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		size_t length = strcspn(text, separators);

		if (strlist_add_bytes(list, text, length) < 0)
			return "does not fit into memory";
		text += length;
	}
	return NULL;
}

/* One word of a command line from *@at on into @word, which has room for the whole text. */
static const char *read_word(const char **at, char *word, size_t *ret_length)
{
	char quote = 0;
	size_t length = 0;

	for (; **at && (quote || !strchr(" \t", **at)); (*at)++) {
		if (!quote && strchr("'\"", **at)) {
			quote = **at;
		} else if (quote && **at == quote) {
			quote = 0;
		} else {
			if (**at == '\\' && quote != '\'' && !*++*at)
				return "ends with a lone backslash";
			word[length++] = **at;
		}
	}
	*ret_length = length;
	return quote ? "has an unclosed quote" : NULL;
}

const char *value_command(const char *text, struct strlist *list)
{
	autofree char *word = malloc(strlen(text) + 1);
	const char *reason;
	size_t length;

	if (!word)
		return "does not fit into memory";
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		reason = read_word(&text, word, &length);
		if (reason)
			return reason;
		if (strlist_add_bytes(list, word, length) < 0)
			return "does not fit into memory";
	}
	return list->n ? NULL : "is empty";
}
